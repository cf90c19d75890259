-- Deletes the record of a user, and with it what belongs to its logins: it must not
-- outlive the account, or be that of another who gets the address later.
-- KEYS: user:{a}, then all that goes with it. Returns 1: there was such a user, 0: not.
local there = redis.call('DEL', KEYS[1])
for i = 2, #KEYS do
	redis.call('DEL', KEYS[i])
end
return there
