return clear(tonumber(ARGV[4]), now)
