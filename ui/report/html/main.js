// The page: what was chosen in one part is shown in all.
"use strict";

function headline(model) {
	const {start, end} = model;
	const command = start && start.command ? start.command.map(safe).join(" ") : "";
	const count = (number, one, many = one + "s") => `${number.toLocaleString("en")} ${number === 1 ? one : many}`;
	document.title = "forktrace" + (command ? ": " + command : "");
	document.getElementById("title").textContent = document.title;
	const parts = end ? [count(end.forks, "fork"), count(end.vforks, "vfork"), count(end.clones, "clone"), count(end.threads, "thread"),
		count(end.failed, "failed", "failed"), count(end.execs, "exec"), count(end.exits, "exit"), count(end.signals, "signal"),
		count(end.errors, "error")].filter((text, index) => index === 0 || !text.startsWith("0 ")) : [count(model.forks.length, "fork")];
	const kernel = start && start.kernel.release ? ` Linux ${safe(start.kernel.release)} ${safe(start.kernel.machine || "")}` : "";
	document.getElementById("totals").textContent = parts.join(", ") + "." + kernel +
		(start ? (start.source === "guest" ? ", a guest" : "") + ", " + start.wall_clock.slice(0, 19).replace("T", " ") + " UTC" : "");
}

function warn(record, model) {
	const warning = document.getElementById("warning");
	warning.hidden = Boolean(model.end) && !record.cut;
	if (!warning.hidden)
		warning.textContent = record.cut ? "A part of the record could not be read: what is left is shown."
			: "The record has no end: the run was not over, or forktrace was killed.";
}

addEventListener("DOMContentLoaded", () => {
	const record = readRecord(document.getElementById("record").textContent);
	const model = new Model(record);
	const details = new Details(model);
	let list, timeline;
	const choose = event => {
		details.show(event);
		timeline.mark(event);
		if (list.shown[list.index] !== event)
			list.mark(event);
	};
	headline(model);
	warn(record, model);
	timeline = new Timeline(model, choose);
	list = new List(model, choose, () => details.focus());
	timeline.redraw();
	document.documentElement.dataset.ready = "true";
});
