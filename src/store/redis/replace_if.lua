local key, old = ARGV[4], read(ARGV[4])
if not lives(old) or old.spent or old.version ~= ARGV[9] then return 0 end
unlink(key, old)
local owners = #ARGV[8] > 0 and ARGV[8] or old.owners
local age = redis.call('INCR', prefix .. 'age')
write(key, { value = ARGV[5], version = ARGV[6], expires = ARGV[7], owners = owners, age = age })
return 1
