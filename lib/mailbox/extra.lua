-- Sets or removes the extra data of a record. Returns its modseq; 0: nothing changed.
local f = base .. 'f:' .. id
if not folder_exists(id) then return fail('NOTFOUND there is no such folder') end
local old = record_of(f, uid)
if not old then return fail('NOTFOUND there is no such item') end
if limit and old.modseq > limit then return fail('FENCED the item has changed since') end
if (call('HGET', f .. ':x', uid) or '') == extra then return 0 end
local modseq = next_modseq()
set_extra(f, uid, extra)
set_record(f, old, bit.band(old.flags, bit.bnot(MARK.EXTRA)) + (extra ~= '' and MARK.EXTRA or 0), old.size, modseq)
publish(id, modseq)
return modseq
