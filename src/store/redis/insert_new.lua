local key, old = ARGV[4], read(ARGV[4])
if lives(old) then return 0 end
if old then unlink(key, old) end
return insert(key, { value = ARGV[5], version = ARGV[6], expires = ARGV[7], owners = ARGV[8] }, ARGV[9])
