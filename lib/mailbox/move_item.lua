-- Moves an item to another folder of its class. Its references and extra data move
-- along, and so do its key and its name, unless a new name is given.
if not folder_exists(from) or not folder_exists(to) then return fail('NOTFOUND there is no such folder') end
local class = class_of(from)
if class == CLASS.MAIL or class ~= class_of(to) then return fail('DENIED the folders are of different kinds') end
local f, g = base .. 'f:' .. from, base .. 'f:' .. to
local old = record_of(f, uid)
if not old then return fail('NOTFOUND there is no such item') end
if limit and old.modseq > limit then return fail('FENCED the item has changed since') end

local key, its_name = names_of_item(f, uid)
if name == '' then name = its_name end
local function holder_of(field)
  local other = call('HGET', g .. ':u', field)
  return other and (from ~= to or tonumber(other) ~= uid) and other
end
local other = key ~= NO_KEY and holder_of('u' .. key) or name ~= '' and holder_of('h' .. name)
if other then return answer{other = other} end
if tonumber(call('HGET', g, 'uidnext')) >= 4294967294 then return fail('LIMIT the folder has used up its UIDs') end

local lo, hi = keyword_map(f, g)(old.lo, old.hi)
if not lo then return fail('LIMIT a folder has at most ' .. KEYWORDS .. ' keywords') end

local modseq = next_modseq()
local r = remove_records(from, {{uid, uid}}, modseq, now, retention, function() return true end)[1]
local record = {r[2], r[3], modseq, r[5], lo, hi, saved_now(r[8], now), uid}
local moved = append_records(to, {record}, modseq)
name_item(g, moved, key, name)
publish(from, modseq)
publish(to, modseq)
return answer{folder = to, uid = moved, modseq = modseq, email = r[5]}
