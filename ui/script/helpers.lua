-- What expectations (-e) and scripts (-s) are given besides the record: the manual page describes each.
local helpers = {}

local UNKNOWN = '?'

local function name_of(item)
	if type(item) == 'table' then
		return item.symbol
	end
	return item
end

-- Is there a frame of that function in `list`, or, in a list of words such as `flags`, that word?
function helpers.has(list, name)
	return helpers.find(list, name) ~= nil
end

-- The innermost frame of that function (or the word), and its index; nil: there is none.
function helpers.find(list, name)
	for i, item in ipairs(list or {}) do
		if name_of(item) == name then
			return item, i
		end
	end
	return nil
end

-- "main > spawn_child > fork > _Fork": the functions from main (from the first one, where there is no main) inwards.
function helpers.stack(frames)
	local names = {}
	for i = #(frames or {}), 1, -1 do
		local name = frames[i].symbol or UNKNOWN
		if name == 'main' then
			names = {}
		end
		names[#names + 1] = name
	end
	return table.concat(names, ' > ')
end

local function quoted(text)
	local escaped = text:gsub("[\\']", '\\%0'):gsub('%c', function(byte)
		return ('\\x%02x'):format(byte:byte())
	end)
	return "'" .. escaped .. "'"
end

local function is_frame(item)
	return type(item) == 'table' and rawget(item, 'method') ~= nil
end

-- A value as it would be written, in one line; of frames the functions.
function helpers.show(value)
	if type(value) == 'string' then
		return quoted(value)
	elseif type(value) ~= 'table' then
		return tostring(value)
	elseif is_frame(value[1]) then
		return helpers.stack(value)
	elseif is_frame(value) then
		return value.symbol or UNKNOWN
	end
	local parts = {}
	for i = 1, #value do
		parts[i] = helpers.show(value[i])
	end
	if #parts == 0 and next(value) then
		return '{...}'
	end
	return '{' .. table.concat(parts, ', ') .. '}'
end

return helpers
