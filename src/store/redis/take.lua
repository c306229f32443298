local key, record = ARGV[4], read(ARGV[4])
if not lives(record) or record.spent then return false end
if #ARGV[5] > 0 and record.version ~= ARGV[5] then return false end
remove(key, record)
return fields(record)
