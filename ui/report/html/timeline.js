// The timeline: a row a process, drawn on a canvas of the visible part alone.
"use strict";

const ROW = 22, RULER = 24, GRAB = 6;

class Timeline {
	constructor(model, choose) {
		this.model = model;
		this.box = document.getElementById("timeline");
		this.canvas = document.getElementById("canvas");
		this.chosen = null;
		this.choose = choose;
		this.from = model.first;
		this.to = Math.max(model.last, model.first + 1);
		this.pending = false;
		this.lines = {
			times: Float64Array.from(model.forks, fork => fork.time_ns),
			from: Int32Array.from(model.forks, fork => fork.process.row),
			to: Int32Array.from(model.forks, fork => fork.made.row),
			high: Int32Array.from(model.forks, fork => Math.min(fork.process.row, fork.made.row)),
			low: Int32Array.from(model.forks, fork => Math.max(fork.process.row, fork.made.row)),
		};
		document.getElementById("rows").style.height = RULER + ROW * model.rows.length + 8 + "px";
		this.box.addEventListener("scroll", () => this.redraw());
		this.box.addEventListener("keydown", event => this.key(event));
		this.box.addEventListener("wheel", event => this.wheel(event), {passive: false});
		this.canvas.addEventListener("click", event => this.click(event));
		document.getElementById("zoom-in").addEventListener("click", () => this.zoom(.5));
		document.getElementById("zoom-out").addEventListener("click", () => this.zoom(2));
		document.getElementById("zoom-all").addEventListener("click", () => this.zoom(Infinity));
		new ResizeObserver(() => this.redraw()).observe(this.box);
		matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.redraw());
	}

	redraw() {
		if (this.pending)
			return;
		this.pending = true;
		requestAnimationFrame(() => {
			this.pending = false;
			this.draw();
		});
	}

	get gutter() {
		return Math.min(190, this.width * .3);
	}

	x(time) {
		return this.gutter + (time - this.from) / (this.to - this.from) * (this.width - this.gutter - 10);
	}

	y(row) {
		return RULER + ROW * (row + .5) - this.scrolled;
	}

	time(x) {
		return this.from + (x - this.gutter) / (this.width - this.gutter - 10) * (this.to - this.from);
	}

	// By a factor around a time; what is chosen stays where it is.
	zoom(factor, around) {
		const {first, last} = this.model;
		const middle = (this.from + this.to) / 2;
		const fixed = around ?? (this.chosen && this.chosen.time_ns >= this.from && this.chosen.time_ns <= this.to
			? this.chosen.time_ns : middle);
		const whole = Math.max(last - first, 1);
		const span = Math.min(Math.max((this.to - this.from) * factor, 100), whole);
		this.show(fixed - (fixed - this.from) / (this.to - this.from) * span, span);
	}

	show(from, span) {
		const {first, last} = this.model;
		this.from = Math.max(first, Math.min(from, Math.max(last, first + 1) - span));
		this.to = this.from + span;
		this.redraw();
	}

	key(event) {
		const span = this.to - this.from;
		const keys = {"+": () => this.zoom(.5), "=": () => this.zoom(.5), "-": () => this.zoom(2),
			"0": () => this.zoom(Infinity), ArrowLeft: () => this.show(this.from - span / 8, span),
			ArrowRight: () => this.show(this.from + span / 8, span)};
		if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key])
			return;
		event.preventDefault();
		keys[event.key]();
	}

	wheel(event) {
		if (event.ctrlKey)
			this.zoom(event.deltaY < 0 ? .8 : 1.25, this.time(event.offsetX));
		else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY))
			this.show(this.from + (event.deltaX || event.deltaY) / this.width * (this.to - this.from), this.to - this.from);
		else
			return;
		event.preventDefault();
	}

	click(event) {
		const {offsetX, offsetY} = event;
		let best = null, distance = GRAB + 1;
		for (const fork of this.model.forks) {
			const away = Math.abs(this.x(fork.time_ns) - offsetX);
			const high = this.y(fork.process.row), low = this.y(fork.made.row);
			if (away < distance && offsetY >= Math.min(high, low) - GRAB && offsetY <= Math.max(high, low) + GRAB)
				[best, distance] = [fork, away];
		}
		const process = this.model.rows[Math.floor((offsetY - RULER + this.box.scrollTop) / ROW)];
		best = best || (process && process.made);
		if (best)
			this.choose(best);
	}

	// Shows an event as the chosen one, scrolled to where it is.
	mark(event) {
		this.chosen = event;
		const process = event.made || event.process;
		const span = this.to - this.from;
		if (event.time_ns < this.from || event.time_ns > this.to)
			this.show(event.time_ns - span / 2, span);
		if (process) {
			const top = ROW * process.row, visible = this.box.clientHeight - RULER - ROW;
			if (top < this.box.scrollTop || top > this.box.scrollTop + visible)
				this.box.scrollTop = Math.max(0, top - visible / 2);
		}
		this.redraw();
	}

	draw() {
		const scale = devicePixelRatio || 1;
		this.width = this.box.clientWidth;
		this.scrolled = this.box.scrollTop;
		this.height = this.box.clientHeight;
		this.canvas.width = this.width * scale;
		this.canvas.height = this.height * scale;
		this.canvas.style.height = this.height + "px";
		const paper = this.canvas.getContext("2d");
		const style = getComputedStyle(document.documentElement);
		this.colour = name => style.getPropertyValue("--" + name).trim();
		paper.scale(scale, scale);
		paper.font = "12px system-ui, 'DejaVu Sans', sans-serif";
		paper.textBaseline = "middle";
		const top = Math.max(0, Math.floor((this.box.scrollTop - RULER) / ROW));
		const bottom = Math.min(this.model.rows.length, Math.ceil((this.box.scrollTop + this.height) / ROW));
		const forks = this.forksInSight(top, bottom);
		this.drawForks(paper, forks);
		for (let row = top; row < bottom; row++)
			this.drawRow(paper, this.model.rows[row]);
		this.drawEnds(paper, forks, top, bottom);
		this.drawRuler(paper);
	}

	drawRow(paper, process) {
		const y = this.y(process.row), left = Math.max(this.x(process.since), this.gutter);
		const right = Math.max(left + 2, this.x(process.until));
		const text = processText(process) + " " + process.pid;
		const colours = {good: "good", warn: "warn", bad: "bad", "": "soft"};
		paper.save();
		if (this.x(process.until) >= this.gutter && left <= this.width) {
			paper.fillStyle = `hsl(${hue(process)} 45% ${this.colour("bar-light")})`;
			paper.fillRect(left, y - 7, right - left, 14);
			if (process.state !== "runs on") {
				paper.fillStyle = this.colour(colours[process.grade]);
				paper.fillRect(right - 2, y - 7, 3, 14);
			}
			paper.beginPath();
			paper.rect(left, y - 7, right - left - 6, 14);
			paper.clip();
			paper.fillStyle = this.colour("bar-ink");
			paper.textAlign = "right";
			if (right - left > 80)
				paper.fillText(process.state, Math.min(right, this.width) - 10, y);
		}
		paper.restore();
		paper.save();
		paper.beginPath();
		paper.rect(0, y - ROW / 2, this.gutter - 8, ROW);
		paper.clip();
		paper.fillStyle = this.colour("ink");
		paper.fillText(text, 8 + Math.min(depthOf(process), 6) * 8, y);
		paper.restore();
	}

	// Forks in sight, as numbers: each is looked at in every frame, and there can be very many.
	forksInSight(top, bottom) {
		const {times, high, low} = this.lines;
		const seen = [];
		for (let i = 0; i < times.length; i++) {
			if (high[i] < bottom && low[i] >= top && times[i] >= this.from && times[i] <= this.to)
				seen.push(i);
		}
		return seen;
	}

	// Lines behind the bars; those that go on out of sight are faint, and drawn once a column.
	drawForks(paper, forks) {
		const {times, high, low} = this.lines;
		const drawn = new Uint8Array(this.width + 1);
		const gutter = this.gutter, scale = (this.width - gutter - 10) / (this.to - this.from);
		paper.fillStyle = this.colour("fork");
		for (const i of forks) {
			const x = Math.round(gutter + (times[i] - this.from) * scale);
			const top = Math.max(this.y(high[i]), 0), bottom = Math.min(this.y(low[i]), this.height);
			const leaves = top === 0 || bottom === this.height;
			if (leaves && drawn[x])
				continue;
			drawn[x] = leaves ? 1 : drawn[x];
			paper.globalAlpha = leaves ? .25 : 1;
			paper.fillRect(x, top, 1, bottom - top);
		}
		paper.globalAlpha = 1;
	}

	// The ends of the lines, above the bars: a dot where it forked, an arrow at the child. Only those in sight, one a place.
	drawEnds(paper, forks, top, bottom) {
		const {times, from, to} = this.lines;
		const drawn = new Set();
		const gutter = this.gutter, scale = (this.width - gutter - 10) / (this.to - this.from);
		const isNew = (x, row) => {
			const place = row * 65536 + Math.round(x), size = drawn.size;
			return row >= top && row < bottom && drawn.add(place).size > size;
		};
		paper.fillStyle = this.colour("fork");
		for (const i of forks) {
			const x = gutter + (times[i] - this.from) * scale;
			if (isNew(x, from[i]))
				this.dot(paper, x, this.y(from[i]), 2.5);
			if (to[i] !== from[i] && isNew(x, to[i]))
				this.arrow(paper, x, this.y(to[i]), to[i] > from[i], 4);
		}
		if (this.chosen && this.x(this.chosen.time_ns) >= this.gutter)
			this.drawChosen(paper, this.chosen);
	}

	dot(paper, x, y, radius) {
		paper.beginPath();
		paper.arc(Math.round(x) + .5, y, radius, 0, 7);
		paper.fill();
	}

	arrow(paper, x, y, down, size) {
		const back = (down ? -size : size) * 1.4, middle = Math.round(x) + .5;
		paper.beginPath();
		paper.moveTo(middle, y);
		paper.lineTo(middle - size, y + back);
		paper.lineTo(middle + size, y + back);
		paper.fill();
	}

	drawChosen(paper, event) {
		const x = this.x(event.time_ns);
		if (!event.process)
			return;
		const high = this.y(event.process.row), low = event.made ? this.y(event.made.row) : high;
		paper.fillStyle = paper.strokeStyle = this.colour("accent");
		paper.lineWidth = 2.5;
		if (event.event !== "fork") {
			paper.strokeRect(x - 5, high - 9, 10, 18);
			return;
		}
		paper.beginPath();
		paper.moveTo(Math.round(x) + .5, Math.max(-9, high));
		paper.lineTo(Math.round(x) + .5, Math.min(low, this.height + 9));
		paper.stroke();
		this.dot(paper, x, high, 4);
		if (event.made !== event.process)
			this.arrow(paper, x, low, low > high, 6);
	}

	drawRuler(paper) {
		paper.fillStyle = this.colour("panel");
		paper.fillRect(0, 0, this.width, RULER);
		const span = this.to - this.from, count = Math.max(1, Math.floor((this.width - this.gutter) / 130));
		let step = Math.pow(10, Math.floor(Math.log10(span / count)));
		step *= [1, 2, 5, 10].find(factor => step * factor >= span / count) || 10;
		paper.fillStyle = this.colour("soft");
		paper.strokeStyle = this.colour("line");
		paper.lineWidth = 1;
		for (let time = Math.ceil(this.from / step) * step; time <= this.to; time += step) {
			const x = Math.round(this.x(time)) + .5;
			paper.beginPath();
			paper.moveTo(x, RULER - 6);
			paper.lineTo(x, RULER);
			paper.stroke();
			paper.fillText(rulerText(time, step), x + 3, RULER / 2);
		}
	}
}

function rulerText(ns, step) {
	const [unit, name] = step >= 1e9 ? [1e9, "s"] : step >= 1e6 ? [1e6, "ms"] : step >= 1e3 ? [1e3, "\u00b5s"] : [1, "ns"];
	return Math.round(ns / unit).toLocaleString("en") + " " + name;
}

function depthOf(process) {
	let depth = 0;
	while ((process = process.parent))
		depth++;
	return depth;
}

// One colour a program.
function hue(process) {
	let hash = 7;
	for (const character of processText(process))
		hash = (hash * 31 + character.codePointAt(0)) % 360;
	return hash;
}
