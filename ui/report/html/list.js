// The list of events: only the options in sight exist, whatever there is.
"use strict";

const OPTION = 46, AROUND = 6;

class List {
	constructor(model, choose, leave) {
		this.model = model;
		this.choose = choose;
		this.box = document.getElementById("list");
		this.filter = document.getElementById("filter");
		this.others = document.getElementById("others");
		this.space = document.createElement("div");
		this.space.setAttribute("role", "presentation");
		this.box.append(this.space);
		this.index = -1;
		this.box.addEventListener("scroll", () => this.draw());
		this.box.addEventListener("keydown", event => this.key(event, leave));
		this.box.addEventListener("click", event => this.click(event));
		this.box.addEventListener("focus", () => {
			if (this.index < 0 && this.shown.length)
				this.move(0);
		});
		this.filter.addEventListener("input", () => this.select());
		this.others.addEventListener("change", () => this.select());
		new ResizeObserver(() => this.draw()).observe(this.box);
		this.select();
	}

	// Which events are listed.
	select() {
		const chosen = this.shown && this.shown[this.index];
		const wanted = this.filter.value.trim().toLowerCase();
		const kinds = new Set(["fork", "fork-failed", "error"]);
		const listed = this.model.events.filter(event => event.event !== "start" && event.event !== "end" &&
			(this.others.checked || kinds.has(event.event)));
		this.shown = wanted ? listed.filter(event => this.matches(event, wanted)) : listed;
		this.index = chosen ? this.shown.indexOf(chosen) : -1;
		this.space.style.height = this.shown.length * OPTION + "px";
		const forks = this.shown.filter(event => event.event === "fork").length;
		const rest = this.shown.length - forks;
		document.getElementById("count").textContent =
			`${forks.toLocaleString("en")} of ${this.model.forks.length.toLocaleString("en")} fork${this.model.forks.length === 1 ? "" : "s"}` +
			(rest ? `, ${rest.toLocaleString("en")} other events` : "");
		this.draw();
	}

	matches(event, wanted) {
		const texts = eventTexts(event);
		if ((texts.title + " " + texts.more).toLowerCase().includes(wanted))
			return true;
		const stack = event.parent && this.model.stacks.get(event.parent.frames);
		return Boolean(stack && stack.some(frame => frame.symbol && frame.symbol.toLowerCase().includes(wanted)));
	}

	move(index) {
		if (!this.shown.length)
			return;
		this.index = Math.max(0, Math.min(index, this.shown.length - 1));
		this.reveal();
		this.choose(this.shown[this.index]);
	}

	reveal() {
		const top = this.index * OPTION;
		if (top < this.box.scrollTop)
			this.box.scrollTop = top;
		else if (top + OPTION > this.box.scrollTop + this.box.clientHeight)
			this.box.scrollTop = top + OPTION - this.box.clientHeight;
		this.draw();
	}

	// Another part of the page chose this event.
	mark(event) {
		this.index = this.shown.indexOf(event);
		if (this.index >= 0)
			this.reveal();
		else
			this.draw();
	}

	key(event, leave) {
		const page = Math.max(1, Math.floor(this.box.clientHeight / OPTION) - 1);
		const keys = {ArrowDown: () => this.move(this.index + 1), ArrowUp: () => this.move(this.index - 1),
			PageDown: () => this.move(this.index + page), PageUp: () => this.move(this.index - page),
			Home: () => this.move(0), End: () => this.move(this.shown.length - 1), Enter: leave, " ": leave};
		if (event.ctrlKey || event.metaKey || event.altKey || !keys[event.key])
			return;
		event.preventDefault();
		keys[event.key]();
	}

	click(event) {
		const option = event.target.closest(".option");
		if (option)
			this.move(Number(option.dataset.index));
	}

	draw() {
		const first = Math.max(0, Math.floor(this.box.scrollTop / OPTION) - AROUND);
		const last = Math.min(this.shown.length, Math.ceil((this.box.scrollTop + this.box.clientHeight) / OPTION) + AROUND);
		const options = [];
		for (let index = first; index < last; index++)
			options.push(this.option(index));
		this.space.replaceChildren(...options);
		if (this.index >= first && this.index < last)
			this.box.setAttribute("aria-activedescendant", "option-" + this.index);
		else
			this.box.removeAttribute("aria-activedescendant");
	}

	option(index) {
		const option = document.createElement("div");
		const texts = eventTexts(this.shown[index]);
		const title = document.createElement("div"), more = document.createElement("div");
		option.className = "option";
		option.id = "option-" + index;
		option.dataset.index = index;
		option.style.top = index * OPTION + "px";
		option.setAttribute("role", "option");
		option.setAttribute("aria-setsize", this.shown.length);
		option.setAttribute("aria-posinset", index + 1);
		option.setAttribute("aria-selected", index === this.index);
		title.textContent = texts.title;
		title.className = /^(fork-failed|error)$/.test(this.shown[index].event) ? "bad" : "";
		more.textContent = texts.more;
		more.className = "soft";
		option.append(title, more);
		return option;
	}
}
