-- Takes the lock KEYS[1], or says that one wants it. ARGV: token, how long it is held at most in milliseconds.
local owner, waiting, next = unpack(redis.call('HMGET', KEYS[1], 'owner', 'waiting', 'next'))
if owner or (next and next ~= ARGV[1]) then
  if not waiting then
    redis.call('HSET', KEYS[1], 'waiting', ARGV[1])
  end
  return { 0 }
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1])
redis.call('HDEL', KEYS[1], 'next')
if waiting == ARGV[1] then
  redis.call('HDEL', KEYS[1], 'waiting')
end
redis.call('PEXPIRE', KEYS[1], ARGV[2])
return { 1 }
