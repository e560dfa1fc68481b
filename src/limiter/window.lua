-- What window.rs does, on one key. KEYS[1]; ARGV: limit, window in milliseconds. Needs `now`, milliseconds.
-- The tries are kept as `first,last,count;` oldest first.
local limit, window = tonumber(ARGV[1]), tonumber(ARGV[2])
local entries, used = {}, 0
for first, last, count in string.gmatch(redis.call('GET', KEYS[1]) or '', '(%d+),(%d+),(%d+);') do
  last = tonumber(last)
  if last + window > now then
    entries[#entries + 1] = { tonumber(first), last, tonumber(count) }
    used = used + tonumber(count)
  end
end

-- Until the last try stops counting; counted by this quota, which may have changed.
local function ttl()
  return string.format('%.0f', math.max(1, entries[#entries][2] + window - now))
end

if used >= limit then
  local gone, wait = 0, 0
  for _, entry in ipairs(entries) do
    gone = gone + entry[3]
    if gone > used - limit then
      wait = math.max(0, entry[2] + window - now)
      break
    end
  end
  redis.call('PEXPIRE', KEYS[1], ttl())
  return { 0, 0, wait }
end

local newest = entries[#entries]
if newest and now <= newest[1] + math.floor(window / 32) then
  newest[2] = math.max(newest[2], now)
  newest[3] = newest[3] + 1
else
  entries[#entries + 1] = { now, now, 1 }
end
local kept = {}
for i, entry in ipairs(entries) do
  kept[i] = string.format('%.0f,%.0f,%.0f;', entry[1], entry[2], entry[3])
end
redis.call('SET', KEYS[1], table.concat(kept), 'PX', ttl())
return { 1, limit - used - 1, window }
