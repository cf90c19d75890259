-- The sweeping process, and the state of the sweep.
-- KEYS: sweep:state. ARGV: verb, holder, then
--   take: lease in ms, "manual" or "automatic", least ms since the end of the last
--         sweep, least ms since one that failed
--   keep: lease in ms, then field, value, ...: figures of the current sweep
--   end:  "" or the error, then field, value, ...: figures
--   drop
-- A manual sweep takes the lease from an automatic one, which ends at its next
-- request.
local key, verb, holder = KEYS[1], ARGV[1], ARGV[2]
local t = redis.call('TIME')
local now = t[1] * 1000 + math.floor(t[2] / 1000)

local function get(field)
	return tonumber(redis.call('HGET', key, field) or 0) or 0
end

local function text(number)
	return string.format('%.0f', number)
end

local function set_figures(prefix, from)
	for i = from, #ARGV, 2 do
		redis.call('HSET', key, prefix .. ARGV[i], ARGV[i + 1])
	end
end

local function release()
	redis.call('HDEL', key, 'holder', 'kind', 'until_ms', 'started_ms')
end

if verb == 'take' then
	local other, kind = redis.call('HGET', key, 'holder'), redis.call('HGET', key, 'kind')
	if other and get('until_ms') > now and not (ARGV[4] == 'manual' and kind == 'automatic') then
		return redis.error_reply('EXISTS ' .. other)
	end
	-- A clock that was set back must not stop it forever.
	local ended, failed = get('last_end_ms'), get('failed_ms')
	if (ended <= now and now - ended < tonumber(ARGV[5])) or (failed <= now and now - failed < tonumber(ARGV[6])) then
		return redis.error_reply('DENIED no sweep is due')
	end
	redis.call('HSET', key, 'holder', holder, 'kind', ARGV[4], 'until_ms', text(now + ARGV[3]), 'started_ms', text(now))
	return 1
end

if redis.call('HGET', key, 'holder') ~= holder then
	return redis.error_reply('FENCED another process sweeps')
end
if verb == 'keep' then
	redis.call('HSET', key, 'until_ms', text(now + ARGV[3]))
	set_figures('', 4)
elseif verb == 'drop' then
	release()
elseif ARGV[3] == '' then
	redis.call('HSET', key, 'last_started_ms', text(get('started_ms')), 'last_end_ms', text(now), 'last_by', holder)
	redis.call('HDEL', key, 'failed_ms', 'failed_by', 'failure')
	set_figures('last_', 4)
	release()
else
	redis.call('HSET', key, 'failed_ms', text(now), 'failed_by', holder, 'failure', ARGV[3])
	release()
end
return 1
