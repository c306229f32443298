local key, old, replaces = ARGV[4], read(ARGV[4]), ARGV[10] == '1'
if lives(old) and not replaces then return 0 end
local replaced = lives(old)
if old then unlink(key, old) end
local record = { value = ARGV[5], version = ARGV[6], expires = ARGV[7], owners = ARGV[8] }
return insert(key, record, ARGV[9], ARGV[11], 12, replaced)
