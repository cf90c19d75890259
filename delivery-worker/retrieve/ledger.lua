-- All writes of a round, under its fence.
-- KEYS: account, status, folders, pending, ledger   ARGV: id, fence, verb, then
--   keep: lease in ms; returns the packed account and when it was last wanted
--   write: what each list has: n, n times (remote id, pending entry); n, n times a remote id that is done;
--          records for the ledger; n, n times (folder, place); messages, bytes
--   total: messages and bytes still to come
--   forget: n, n times a remote id that must be fetched again; folder, place (or "")
--   rewrite: length of the ledger as it was read, all of its records
--   status: n, n times (field of the status, value)
--   end: the same; the lease ends
local account, status, folders, pending, ledger = KEYS[1], KEYS[2], KEYS[3], KEYS[4], KEYS[5]
if redis.call('HGET', status, 'fence') ~= ARGV[2] or redis.call('HEXISTS', account, ARGV[1]) == 0 then
	return redis.error_reply('FENCED another worker has this account now')
end
local verb, at = ARGV[3], 3

local function take()
	at = at + 1
	return ARGV[at]
end

if verb == 'keep' then
	local t = redis.call('TIME')
	redis.call('HSET', status, 'until_ms', string.format('%.0f', t[1] * 1000 + math.floor(t[2] / 1000) + take()))
	return {redis.call('HGET', account, ARGV[1]), redis.call('HGET', status, 'wanted') or '0'}
elseif verb == 'write' then
	for _ = 1, take() do
		local id = take()
		redis.call('HSET', pending, id, take())
	end
	for _ = 1, take() do
		redis.call('HDEL', pending, take())
	end
	local records = take()
	if records ~= '' then
		redis.call('APPEND', ledger, records)
	end
	for _ = 1, take() do
		local folder = take()
		redis.call('HSET', folders, folder, take())
	end
	local messages = take()
	if messages ~= '0' then
		redis.call('HINCRBY', status, 'messages', messages)
		redis.call('HINCRBY', status, 'bytes', take())
	end
elseif verb == 'total' then
	local now = redis.call('HMGET', status, 'messages', 'bytes')
	redis.call('HSET', status, 'total_messages', string.format('%.0f', (now[1] or 0) + take()),
		'total_bytes', string.format('%.0f', (now[2] or 0) + take()))
elseif verb == 'forget' then
	for _ = 1, take() do
		redis.call('HDEL', pending, take())
	end
	local folder = take()
	if folder ~= '' then
		redis.call('HSET', folders, folder, take())
	end
elseif verb == 'rewrite' then
	if redis.call('STRLEN', ledger) == tonumber(take()) then
		redis.call('SET', ledger, take())
	end
elseif verb == 'status' or verb == 'end' then
	for _ = 1, take() do
		local field = take()
		redis.call('HSET', status, field, take())
	end
	if verb == 'end' then
		redis.call('HDEL', status, 'holder', 'until_ms')
	end
end
return 1
