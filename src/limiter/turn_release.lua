-- Gives the lock KEYS[1] back, or the wish for it. ARGV: token. Whoever has waited has it reserved for a moment.
local owner, waiting, next = unpack(redis.call('HMGET', KEYS[1], 'owner', 'waiting', 'next'))
if owner == ARGV[1] then
  redis.call('DEL', KEYS[1])
  if waiting then
    redis.call('HSET', KEYS[1], 'next', waiting)
    redis.call('PEXPIRE', KEYS[1], 50)
  end
elseif next == ARGV[1] then
  redis.call('DEL', KEYS[1])
elseif waiting == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'waiting')
end
return { 0 }
