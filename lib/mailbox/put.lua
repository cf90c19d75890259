-- Puts an item into a folder: a new one, or in place of the one that has this UID.
local f = base .. 'f:' .. id

if once ~= '' then
  local was = once_find(once)
  if was then
    return answer{
      duplicate = 1, took = was.body == body_of(cold) and 1 or 0, folder = was.folder, uid = was.uid,
      modseq = was.modseq, email = was.email,
    }
  end
end
if not folder_exists(id) then return fail('NOTFOUND there is no such folder') end
if class_of(id) == CLASS.MAIL then return fail('DENIED a message cannot be changed under its UID') end

-- ---- The present state ----
local old = uid > 0 and record_of(f, uid) or nil
if uid > 0 and not old then return fail('NOTFOUND there is no such item') end
if old and limit and old.modseq > limit then return fail('FENCED the item has changed since') end

local function holder_of(field)
  local other = call('HGET', f .. ':u', field)
  return other and tonumber(other) ~= uid and other
end
local other = key ~= '' and holder_of('u' .. key) or name ~= '' and holder_of('h' .. name)
if other then return answer{other = other} end

local grows = size - (old and old.size or 0)
if quota > 0 and grows > 0 and tonumber(call('HGET', meta, 'bytes') or 0) + grows > quota then
  return fail('OVERQUOTA the quota of the account would be exceeded')
end
if not old and tonumber(call('HGET', f, 'uidnext')) >= 4294967294 then
  return fail('LIMIT the folder has used up its UIDs')
end

-- ---- The record ----
local modseq = next_modseq()
cold = saved_now(cold, now)

local function put_new()
  local email = call('HINCRBY', meta, 'next_email', 1) - 1
  local bag = has_extra and extra ~= '' and extra or nil
  if bag then flags = flags + MARK.EXTRA end
  uid = append_records(id, {{flags, size, modseq, email, 0, 0, cold, extra = bag}}, modseq)
  count_records(id, 1, size)
  return email
end

-- Returns the cold record that was replaced.
local function put_in_place()
  flags = bit.bor(flags, bit.band(old.flags, MARKS))
  if has_extra then
    flags = bit.band(flags, bit.bnot(MARK.EXTRA)) + (extra ~= '' and MARK.EXTRA or 0)
    set_extra(f, uid, extra)
  end
  local at = old.place * COLD
  local was = call('GETRANGE', f .. ':c:' .. old.chunk, at, at + COLD - 1)
  call('SETRANGE', f .. ':c:' .. old.chunk, at, cold)
  set_record(f, old, flags, size, modseq)
  count_records(id, 0, grows)
  return was
end

-- What is not given stays unchanged.
local function put_names()
  if key == '' and name == '' then return end
  local was_key, was_name = names_of_item(f, uid)
  free_names(f, uid)
  name_item(f, uid, key ~= '' and key or was_key, name ~= '' and name or was_name)
end

local email, was
if old then
  email, was = old.email, put_in_place()
else
  email = put_new()
end
put_names()
if once ~= '' then once_note(once, id, uid, modseq, email, cold) end
publish(id, modseq)
return answer{
  duplicate = 0, took = 1, folder = id, uid = uid, modseq = modseq, email = email, cold = was,
}
