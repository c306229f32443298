local found = {}
for _, key in ipairs(redis.call('ZRANGEBYSCORE', belongings(ARGV[4], false), now, '+inf')) do
  local record = read(key)
  if record then found[#found + 1] = { key, tonumber(record.age), fields(record) } end
end
return found
