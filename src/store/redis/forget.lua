remove(ARGV[4], read(ARGV[4]))
return 1
