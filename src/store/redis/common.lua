-- In front of every script. ARGV: prefix, kind, now, then what the verb needs.
-- A record is a hash; beside it stand `x` (every key of the kind by expiry: what is counted and swept) and,
-- for each owner, `o` (unspent) and `s` (spent), by expiry too. Numbers travel as text: Lua would round them.
local prefix, kind, now = ARGV[1], ARGV[2], ARGV[3]
local index = prefix .. 'x:' .. kind
-- What no relay swept, because none runs any longer, Redis itself removes a day after its end.
local LEFTOVER = 86400000

local function place(key) return prefix .. 'r:' .. kind .. ':' .. key end

local function belongings(owner, spent) return prefix .. (spent and 's:' or 'o:') .. kind .. ':' .. owner end

local function read(key)
  local field = redis.call('HMGET', place(key), 'value', 'version', 'expires', 'owners', 'age', 'spent')
  if not field[1] then return nil end
  return {
    value = field[1], version = field[2], expires = field[3], owners = field[4], age = field[5],
    spent = field[6] == '1',
  }
end

local function lives(record) return record and tonumber(now) <= tonumber(record.expires) end

local function fields(record) return { record.value, record.version, record.expires, record.owners } end

local function each_owner(owners, act)
  for at = 1, #owners, 32 do act(owners:sub(at, at + 31)) end
end

local function keep(name, expires)
  local rest = tonumber(expires) - tonumber(now) + LEFTOVER
  if redis.call('PTTL', name) < rest then redis.call('PEXPIRE', name, string.format('%.0f', rest)) end
end

local function link(key, record)
  each_owner(record.owners, function(owner)
    local name = belongings(owner, record.spent)
    redis.call('ZADD', name, record.expires, key)
    redis.call('ZREMRANGEBYSCORE', name, '-inf', string.format('(%.0f', tonumber(now) - LEFTOVER))
    keep(name, record.expires)
  end)
end

local function unlink(key, record)
  each_owner(record.owners, function(owner) redis.call('ZREM', belongings(owner, record.spent), key) end)
end

local function remove(key, record)
  if record then unlink(key, record) end
  redis.call('ZREM', index, key)
  redis.call('DEL', place(key))
end

-- The first write of whatever makes something grow is HSET, which Redis refuses when memory is full; what
-- follows it in the same script is never refused.
local function write(key, record)
  redis.call('HSET', place(key), 'value', record.value, 'version', record.version, 'expires', record.expires,
    'owners', record.owners, 'age', record.age, 'spent', record.spent and '1' or '0')
  redis.call('PERSIST', place(key))
  keep(place(key), record.expires)
  redis.call('ZADD', index, record.expires, key)
  link(key, record)
end

local function clear(most, before)
  local keys = redis.call('ZRANGEBYSCORE', index, '-inf', '(' .. before, 'LIMIT', 0, most)
  for _, key in ipairs(keys) do remove(key, read(key)) end
  return #keys
end

-- Shares, from the argument `at` on: owner, what is always allowed, the divisor of what is left (0 if nothing is added,
-- negative for what is left in the last share of another sort), and whether the oldest goes. Returns what goes for one
-- more record, or nothing and the number of who refuses.
local function dropped(at, ceiling)
  local used, left, keys, seen = redis.call('ZCARD', index), 0, {}, {}
  for n = 1, (#ARGV - at + 1) / 4 do
    local owner, allowed, divisor, drops = unpack(ARGV, at + 4 * (n - 1), at + 4 * n - 1)
    local held = redis.call('ZCOUNT', belongings(owner, false), now, '+inf')
    allowed, divisor = tonumber(allowed), tonumber(divisor)
    if divisor > 0 then
      allowed = math.max(allowed, math.floor((tonumber(ceiling) - used) / divisor))
    elseif divisor < 0 then
      allowed = math.max(allowed, math.floor(left / -divisor))
    end
    if divisor >= 0 then left = math.max(0, allowed - held) end
    if drops == '1' then allowed = math.max(allowed, 1) end
    if held >= allowed then
      if drops == '0' then return nil, n end
      local living, by_age = redis.call('ZRANGEBYSCORE', belongings(owner, false), now, '+inf'), {}
      for n, key in ipairs(living) do
        by_age[n] = { key, tonumber(redis.call('HGET', place(key), 'age') or 0) }
      end
      table.sort(by_age, function(a, b) return a[2] < b[2] end)
      for old = 1, #living + 1 - allowed do
        local key = by_age[old][1]
        if not seen[key] then keys[#keys + 1], seen[key] = key, true end
      end
    end
  end
  return keys
end

-- 1 if it was written, -1 if there is no room, -1 - n if the nth share refuses. Shares bind what replaces nothing.
local function insert(key, record, ceiling, before, shares, replaced)
  local drop, refused = {}, nil
  if not replaced then drop, refused = dropped(shares, ceiling) end
  if refused then return -1 - refused end
  local function full()
    return redis.call('ZCARD', index) - #drop >= tonumber(ceiling) and not redis.call('ZSCORE', index, key)
  end
  if full() then clear(100, before) end
  if full() then return -1 end
  record.age = redis.call('INCR', prefix .. 'age')
  write(key, record)
  for _, old in ipairs(drop) do remove(old, read(old)) end
  return 1
end
