local forgotten = 0
for _, spent in ipairs({ false, true }) do
  for _, key in ipairs(redis.call('ZRANGE', belongings(ARGV[4], spent), 0, -1)) do
    local record = read(key)
    remove(key, record)
    if record then forgotten = forgotten + 1 end
  end
  redis.call('DEL', belongings(ARGV[4], spent))
end
return forgotten
