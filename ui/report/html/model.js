// The record: lines become events, and events become processes.
"use strict";

// Control characters and those that draw nothing or reorder text are spelled out, as in the text report.
const UNSAFE = new RegExp("[\\u0000-\\u001f\\u007f-\\u009f\\u00ad\\u034f\\u061c\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f" +
	"\\u200b-\\u200f\\u2028-\\u202e\\u2060-\\u206f\\u3164\\ufe00-\\ufe0f\\ufeff\\uffa0\\ufff0-\\ufffb\\ue000-\\uf8ff" +
	"\\u{e0000}-\\u{e0fff}]", "gu");

function safe(text) {
	return String(text).replace(/\\/g, "\\\\").replace(UNSAFE, character => {
		const code = character.codePointAt(0);
		return code < 0x80 ? "\\x" + code.toString(16).padStart(2, "0") : "\\u{" + code.toString(16) + "}";
	});
}

function duration(ns) {
	if (ns < 1e6)
		return Math.round(ns / 1e3) + " \u00b5s";
	return ns < 1e9 ? (ns / 1e6).toFixed(3) + " ms" : (ns / 1e9).toFixed(3) + " s";
}

function baseName(path) {
	return path.slice(path.lastIndexOf("/") + 1) || path;
}

// {events in the order of happening, stacks by number, whether a line could not be read}
function readRecord(text) {
	const record = {events: [], stacks: new Map(), cut: false};
	for (const line of text.split("\n")) {
		if (!line)
			continue;
		try {
			const value = JSON.parse(line);
			if (value.event)
				record.events.push(value);
			else
				record.stacks.set(value.stack, value.frames);
		} catch (error) {
			record.cut = true;
		}
	}
	record.events.sort((one, other) => one.seq - other.seq);
	return record;
}

class Model {
	constructor(record) {
		this.stacks = record.stacks;
		this.events = record.events;
		this.roots = [];
		this.alive = new Map();
		this.forks = [];
		this.start = record.events.find(event => event.event === "start");
		this.end = record.events.find(event => event.event === "end");
		this.last = record.events.reduce((last, event) => Math.max(last, event.time_ns), 0);
		for (const event of record.events)
			this.take(event);
		for (const process of this.alive.values())
			process.until = this.last;
		this.first = this.roots.length ? Math.min(...this.roots.map(root => root.since)) : 0;
		this.order();
	}

	add(pid, comm, event, parent) {
		const process = {pid, name: comm, since: event.time_ns, until: this.last, state: "runs on", grade: "",
			parent, children: [], programs: [], made: null, row: 0};
		this.alive.set(pid, process);
		(parent ? parent.children : this.roots).push(process);
		return process;
	}

	of(task, event) {
		const process = this.alive.get(task.pid) || this.add(task.pid, task.comm, event, null);
		if (task.comm)
			process.name = task.comm;
		return process;
	}

	take(event) {
		const task = event.parent || event;
		if (!task.pid)
			return;
		const process = this.of(task, event);
		event.process = process;
		if (event.event === "fork")
			this.takeFork(event, process);
		else if (event.event === "exec" && event.path)
			process.programs.push({since: event.time_ns, name: baseName(event.path)});
		else if ((event.event === "exit" && !event.thread) || event.event === "detach")
			this.takeEnd(event, process);
	}

	takeFork(event, parent) {
		event.number = this.forks.push(event);
		if (event.thread) {
			event.made = parent;
			return;
		}
		const stale = this.alive.get(event.child.pid);
		if (stale && stale !== parent)
			stale.until = event.time_ns;
		const child = this.add(event.child.pid, event.child.comm, event, parent);
		if (parent.programs.length)
			child.programs.push({since: event.time_ns, name: parent.programs[parent.programs.length - 1].name});
		child.made = event;
		event.made = child;
	}

	takeEnd(event, process) {
		process.until = event.time_ns;
		process.state = endText(event);
		process.grade = event.event === "detach" ? "" : event.signal ? "bad" : event.status ? "warn" : "good";
		this.alive.delete(process.pid);
	}

	// Children stand below their parent, in the order of their forks.
	order() {
		this.rows = [];
		const left = [...this.roots].reverse();
		while (left.length) {
			const process = left.pop();
			process.row = this.rows.push(process) - 1;
			for (let i = process.children.length - 1; i >= 0; i--)
				left.push(process.children[i]);
		}
	}
}

function endText(event) {
	if (event.event === "detach")
		return "let go";
	const end = event.signal ? "killed by " + event.signal : "exited " + event.status;
	return end + (event.core_dumped ? ", core dumped" : "");
}

function processText(process) {
	const program = process.programs.length ? process.programs[process.programs.length - 1].name : null;
	const cut = program && process.name && process.name.length === 15 && program.startsWith(process.name);
	if (cut)
		return safe(program);
	return safe(process.name || "?") + (program && program !== process.name ? " [" + safe(program) + "]" : "");
}

function callText(event) {
	if (!event.syscall)
		return "a call that was not seen";
	const plain = event.syscall === "fork" || event.syscall === "vfork";
	const flags = event.flags === null ? ["flags unknown"] : [...event.flags, ...(event.exit_signal ? [event.exit_signal] : [])];
	return event.syscall + "(" + (plain ? "" : flags.join("|")) + ")";
}

// {title, more}: two lines for the list.
function eventTexts(event) {
	const at = ", at " + duration(event.time_ns);
	const process = event.process;
	if (event.event === "fork") {
		const what = event.thread ? "thread" : event.kind;
		const ret = half => half.ret === null ? "nothing" : half.ret;
		return {title: `${what} ${event.number}: ${safe(event.parent.comm)} ${event.parent.tid} \u2192 ${event.child.tid}`,
			more: `returned ${ret(event.parent)} and ${ret(event.child)}${at}`};
	}
	if (event.event === "fork-failed")
		return {title: `failed: ${safe(event.parent.comm)} ${event.parent.tid}, ${event.errno || event.errno_nr}`,
			more: callText(event) + at};
	const who = process ? `${safe(event.comm || process.name)} ${event.tid}` : "forktrace";
	const what = {exec: () => safe(event.path || "path unknown"), exit: () => endText(event),
		signal: () => (event.stop ? "stopped by " : "") + event.signal, error: () => safe(event.message),
		detach: () => safe(event.reason || "let go"), attach: () => "traced from now on"}[event.event];
	return {title: `${event.event}: ${who}`, more: (what ? what() : "") + at};
}
