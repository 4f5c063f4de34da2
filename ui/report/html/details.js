// All that is known of one event: both stacks, the border beneath them, the kernel's stacks, the walk.
"use strict";

// Text is only ever set as text; what comes from programs is in isolation from what stands around it.
function element(name, className, ...children) {
	const made = document.createElement(name);
	if (className)
		made.className = className;
	made.append(...children.filter(child => child !== null && child !== undefined));
	return made;
}

function foreign(text) {
	return element("bdi", "", safe(text));
}

class Details {
	constructor(model) {
		this.model = model;
		this.box = document.getElementById("details");
		this.title = document.getElementById("details-title");
		this.addresses = document.getElementById("addresses");
		this.addresses.addEventListener("change", () => this.event && this.show(this.event));
	}

	focus() {
		this.title.focus();
	}

	show(event) {
		this.event = event;
		this.title.textContent = eventTexts(event).title;
		const parts = [this.facts(event)];
		if (event.event === "fork")
			parts.push(...this.fork(event));
		else if (event.event === "fork-failed")
			parts.push(element("h3", "", "The caller's stack"), this.stack(event.parent.frames),
				...this.ends("the stack", event.parent, "frames"));
		this.box.replaceChildren(...parts);
		this.box.scrollTop = 0;
	}

	facts(event) {
		const list = element("dl");
		const add = (name, value, className) => {
			if (value !== null && value !== undefined && value !== "")
				list.append(element("dt", "", name), element("dd", className, value));
		};
		add("time", duration(event.time_ns));
		if (event.event === "fork" || event.event === "fork-failed") {
			add("call", callText(event) + ", " + event.abi);
			add("entry", event.entry + (event.entry_certain ? "" : " (inferred)"));
			add("error", event.errno, "bad");
			add("restarted", event.restarts ? event.restarts + (event.restarts === 1 ? " time" : " times") + ", by a signal" : "");
			add("stack of the child", event.child_stack ? "its own, at " + event.child_stack : "");
			add("flag taken out", event.untraced ? "CLONE_UNTRACED, to follow the child" : "");
			if (event.made && !event.thread)
				add("then", `the child ${event.made.state}`, event.made.grade);
		} else {
			for (const key of ["pid", "tid", "path", "old_abi", "new_abi", "status", "signal", "code", "sender", "reason", "message"]) {
				if (event[key] !== null && event[key] !== undefined)
					add(key, foreign(event[key]));
			}
		}
		return list;
	}

	fork(event) {
		const parts = [this.sides("user", [this.half(event, "parent"), this.half(event, "child")])];
		const kernel = event.kernel;
		if (kernel.parent_frames !== null || kernel.child_frames !== null) {
			const border = element("div", "border", "user / kernel: " + event.entry + (event.entry_certain ? "" : " (inferred)"));
			border.setAttribute("role", "separator");
			border.setAttribute("aria-label", border.textContent);
			parts.push(border, this.sides("kernel", ["parent", "child"].map(side => [
				element("h3", "", `${side}, kernel`), this.stack(kernel[side + "_frames"])])));
		}
		if (kernel.source !== "none")
			parts.push(element("p", "soft", `kernel: ${kernel.source}, Linux `, foreign(kernel.release || "(unknown release)")));
		if (kernel.reason)
			parts.push(element("p", "warn", "kernel half: ", foreign(kernel.reason)));
		for (const side of ["parent", "child"]) {
			parts.push(...this.ends(side + "'s stack", event[side], "frames"));
			parts.push(...this.ends(side + "'s kernel stack", kernel, side + "_frames"));
		}
		if (kernel.walk)
			parts.push(this.walk(kernel.walk));
		return parts;
	}

	half(event, side) {
		const half = event[side];
		const ret = half.ret === null ? element("span", "warn", "no return value")
			: element("span", "", element("strong", "", "returned " + half.ret), element("span", "soft", " +" + duration(half.ret_ns)));
		const parts = [element("h3", "", `${side} `, foreign(half.comm), ` ${half.tid}`), ret];
		if (half.ns_pid && half.ns_pid !== half.tid)
			parts.push(element("p", "soft", `${half.ns_pid} in its own pid namespace`));
		if (half.ret_reason)
			parts.push(element("p", "warn", foreign(half.ret_reason)));
		parts.push(this.stack(half.frames));
		return parts;
	}

	sides(kind, halves) {
		return element("div", "sides", ...halves.map(parts => element("div", "side " + kind, ...parts)));
	}

	// Read downward, from the outermost function to the innermost, as in the text report.
	stack(number) {
		const frames = number === null ? null : this.model.stacks.get(number);
		if (!frames)
			return element("p", "soft", number === null ? "(not seen)" : "(lost with the end of the page)");
		return element("ol", "stack", ...frames.map(frame => this.frame(frame)).reverse());
	}

	frame(frame) {
		const place = frame.file && frame.line ? baseName(frame.file) + ":" + frame.line : frame.module ? baseName(frame.module) : "";
		const marks = (frame.inlined ? " (inlined)" : "") + (frame.certain ? "" : " ?");
		const line = element("li", "", element("span", "", foreign(frame.symbol || frame.pc || "?"), marks),
			element("span", "soft", foreign(place)));
		if (this.addresses.checked)
			line.append(element("span", "soft", `${frame.pc || "(address hidden)"}${frame.symbol ? " +" + frame.offset : ""} ${frame.method}`));
		return line;
	}

	ends(whose, object, key) {
		const parts = [];
		if (object[key + "_reason"])
			parts.push(element("p", "warn", whose + " ends early: ", foreign(object[key + "_reason"])));
		if (object[key + "_truncated"])
			parts.push(element("p", "warn", whose + " is cut (--max-frames)"));
		return parts;
	}

	walk(steps) {
		const head = element("tr", "", ...["stage", "function", "process", "guest's clock", "what happens"].map(text => {
			const cell = element("th", "", text);
			cell.scope = "col";
			return cell;
		}));
		const rows = steps.map(step => {
			const stage = element("th", "", step.stage);
			const place = step.file && step.line ? ` ${baseName(step.file)}:${step.line}` : "";
			const time = step.observed === null ? "not seen" : step.vtime_ns === null ? "on the stack" : "+" + duration(step.vtime_ns);
			stage.scope = "row";
			return element("tr", "", stage, element("td", "", foreign(step.function || "-"), element("span", "soft", foreign(place))),
				element("td", "", step.process), element("td", "number", time),
				element("td", "", step.note, step.reason ? element("p", "warn", foreign(step.reason)) : null));
		});
		return element("div", "walk", element("table", "", element("caption", "", "The walk through the kernel, in the order seen"),
			element("thead", "", head), element("tbody", "", ...rows)));
	}
}
