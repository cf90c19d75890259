-- Changes to one shard, in order, under its lease.
-- KEYS: lease, env, state, events, then the hashes of finished messages.
-- ARGV: the lease's value, how many events to keep, then six for each change:
--   verb, index of the hash of finished messages, id, data, retention in ms,
--   events to publish if it is made: lines.
-- Returns a number for each: 0 written, 1 known, 2 known and finished.
if redis.call('GET', KEYS[1]) ~= ARGV[1] then
	return redis.error_reply('FENCED the lease is gone')
end
local results = {}

local function add(done, id, envelope)
	if redis.call('HEXISTS', done, id) == 1 then
		return 2
	end
	return 1 - redis.call('HSETNX', KEYS[2], id, envelope)
end

-- A state never exists without its envelope.
local function save(done, id, state)
	if redis.call('HEXISTS', KEYS[2], id) == 1 then
		redis.call('HSET', KEYS[3], id, state)
	end
	return 0
end

local function finish(done, id, trace, retention)
	redis.call('HDEL', KEYS[2], id)
	redis.call('HDEL', KEYS[3], id)
	redis.call('HSET', done, id, trace)
	if redis.call('PTTL', done) < tonumber(retention) then
		redis.call('PEXPIRE', done, retention)
	end
	return 0
end

local function pass()
	return 0
end

local verbs = { a = add, s = save, f = finish, p = pass }
for i = 3, #ARGV, 6 do
	local result = verbs[ARGV[i]](KEYS[tonumber(ARGV[i + 1])], ARGV[i + 2], ARGV[i + 3], ARGV[i + 4])
	results[#results + 1] = result
	if result == 0 then
		for event in string.gmatch(ARGV[i + 5], '[^\n]+') do
			redis.call('XADD', KEYS[4], 'MAXLEN', '~', ARGV[2], '*', 'e', event)
		end
	end
end
return results
