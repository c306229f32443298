return clear(tonumber(ARGV[4]))
