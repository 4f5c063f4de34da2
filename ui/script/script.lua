-- What a script (-s) is given: the manual page describes each function. `native` is forktrace's side, in C.
local native, helpers = ...

local KINDS = {'start', 'fork', 'fork_failed', 'exec', 'exit', 'signal', 'attach', 'detach', 'error', 'end'}

local handlers = {}  -- kind -> functions
local current = setmetatable({}, {__mode = 'k'})  -- coroutine -> the test() that runs in it

for name, helper in pairs(helpers) do
	_G[name] = helper
end

-- A sentence about a wrong argument, with the place in the script.
local function check(value, wanted, what)
	if type(value) ~= wanted then
		error(('%s must be a %s, not a %s'):format(what, wanted, type(value)), 3)
	end
	return value
end

-- The script's own line that called us: "check.lua:12".
local function place()
	for level = 2, math.huge do
		local info = debug.getinfo(level, 'Sl')
		if not info then
			return nil
		elseif info.currentline > 0 and info.short_src:sub(1, 11) ~= '[forktrace ' then
			return ('%s:%d'):format(info.short_src, info.currentline)
		end
	end
end

-- --- results ---------------------------------------------------------------------------------------------------------

local function comment(text, indent)
	native.comment(text, indent or 0)
end

local function result(held, name, notes)
	local test = current[coroutine.running()]
	held = not not held
	name = name ~= nil and tostring(name) or nil
	if not held then
		notes = notes or {}
		table.insert(notes, 1, ('failed at %s'):format(place() or '?'))
	end
	if test then
		test.held = test.held and held
		table.insert(test.results, {held = held, name = name, notes = notes})
		return held
	end
	native.result(held, name)
	for _, note in ipairs(notes or {}) do
		comment('  ' .. note)
	end
	return held
end

function ok(value, name)
	return result(value, name)
end

function pass(name)
	return result(true, name)
end

function fail(name)
	return result(false, name)
end

local function same(a, b)
	if type(a) ~= 'table' or type(b) ~= 'table' then
		return a == b
	end
	for key, value in next, a do
		if not same(value, rawget(b, key)) then
			return false
		end
	end
	for key in next, b do
		if rawget(a, key) == nil then
			return false
		end
	end
	return true
end

function is(got, wanted, name)
	local held = same(got, wanted)
	return result(held, name, not held and {'     got: ' .. show(got), 'expected: ' .. show(wanted)} or nil)
end

function isnt(got, unwanted, name)
	local held = not same(got, unwanted)
	return result(held, name, not held and {'     got: ' .. show(got) .. ', which it should not be'} or nil)
end

function like(text, pattern, name)
	local held = type(text) == 'string' and text:find(check(pattern, 'string', 'the pattern')) ~= nil
	return result(held, name, not held and {'     got: ' .. show(text), ' pattern: ' .. show(pattern)} or nil)
end

function diag(...)
	local parts = table.pack(...)
	for i = 1, parts.n do
		parts[i] = tostring(parts[i])
	end
	local text = table.concat(parts, ' ')
	local test = current[coroutine.running()]
	if test then
		table.insert(test.results, {comment = text})
	else
		comment(text)
	end
end

-- Standard output is TAP's.
print = diag

function plan(count, reason)
	if math.type(count) ~= 'integer' or count < 0 then
		error('plan: the number of tests must be a whole number from 0 on', 2)
	elseif not native.plan(count, reason and tostring(reason)) then
		error('plan: there is a plan already', 2)
	end
end

function skip(reason, count)
	for _ = 1, count or 1 do
		native.result(true, nil, tostring(reason))
	end
end

local INDENT = 4

local function tell_subtest(name, test)
	local number = 0
	comment('Subtest: ' .. name, INDENT)
	for _, one in ipairs(test.results) do
		if one.comment then
			comment(one.comment, INDENT)
		else
			number = number + 1
			native.subresult(INDENT, one.held, number, one.name)
			for _, note in ipairs(one.notes or {}) do
				comment('  ' .. note, INDENT)
			end
		end
	end
	native.subplan(INDENT, number)
	return number
end

-- A test of several: it holds where all in it hold. Its lines come together, whatever happens meanwhile.
function test(name, fn)
	local thread = coroutine.running()
	local outer = current[thread]
	local own = {held = true, results = {}}
	check(fn, 'function', 'test: the second argument')
	name = tostring(name)
	if outer then
		error('test: a test cannot hold another one', 2)
	end
	current[thread] = own
	fn()
	current[thread] = nil
	if tell_subtest(name, own) == 0 then
		return result(false, name, {'it tests nothing'})
	end
	return result(own.held, name)
end

-- --- what happens ----------------------------------------------------------------------------------------------------

local function add_handler(kind, fn)
	table.insert(handlers[kind], fn)
end

for _, kind in ipairs(KINDS) do
	handlers[kind] = {}
	_G['on_' .. kind] = function(fn)
		add_handler(kind, check(fn, 'function', ('on_%s: the argument'):format(kind)))
	end
end

handlers.output = {}
function on_output(fn)
	add_handler('output', check(fn, 'function', 'on_output: the argument'))
	native.want_output()
end

-- --- places ----------------------------------------------------------------------------------------------------------

-- Calls fn(task, value) whenever the function at the place has returned to its caller: in the process that called it,
-- and, where it created one that returns from it as well, in that too.
function at_return(where, fn)
	check(fn, 'function', 'at_return: the second argument')
	at(where, function(task)
		local depth = task:depth()
		local value = task:finish(function(child)
			local born = child:finish(depth)
			if born then
				fn(child, born)
			end
		end)
		if value then
			fn(task, value)
		end
	end)
end

-- Called for each event and each line of the program's.
return function(kind, ...)
	for _, fn in ipairs(handlers[kind:gsub('-', '_')] or {}) do
		fn(...)
	end
end
