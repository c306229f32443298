local key, record = ARGV[4], read(ARGV[4])
if not lives(record) then return false end
if record.spent then return { 0, fields(record) } end
redis.call('HSET', place(key), 'spent', '1')
unlink(key, record)
record.spent = true
link(key, record)
return { 1, fields(record) }
