/* -e: see expectations.h. All of it between expectations_create and expectations_finish happens on the thread that
 * calls the sink. */
#include "ui/script/expectations.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "ui/escape.h"
#include "ui/report/json_event.h"
#include "ui/script/environment.h"
#include "ui/script/expression.h"
#include "ui/script/lua_state.h"
#include "ui/script/selector.h"

enum { SHOWN_MAX = 10 }; /* forks that are shown with their record, without --verbose */

struct expectation {
	const char *text;
	struct selector selector;
	int function;          /* in the registry */
	unsigned long matched; /* forks that it is about, failed calls included */
};

struct expectations {
	struct output *output;
	struct expectations_options options;
	struct report *report; /* draws the record of a failure */
	struct event_sink also;
	lua_State *lua;
	VECTOR(struct expectation) items;
	unsigned long forks, failed_calls; /* seen */
	unsigned long failures;            /* of those, with something that did not hold */
	bool unmatched;
};

void expectation_words_deinit(expectation_words_vector *words)
{
	for (size_t i = 0; i < words->count; i++)
		vector_deinit(&words->items[i].on);
	vector_deinit(words);
}

/* --- setting up --- */

static struct error *add(struct expectations *all, const struct expectation_words *words)
{
	struct expectation item = {.text = words->expression};
	struct error *error = NULL;

	for (size_t i = 0; i < words->on.count && !error; i++)
		error = selector_parse(&item.selector, words->on.items[i]);
	if (!error)
		error = selector_check(&item.selector);
	if (!error)
		error = expression_compile(all->lua, item.text);
	if (!error) {
		environment_bind(all->lua);
		item.function = luaL_ref(all->lua, LUA_REGISTRYINDEX);
		error = environment_check(all->lua, item.text, item.selector.failed);
	}
	vector_push(&all->items, item);
	return error;
}

struct error *expectations_create(const expectation_words_vector *words, struct output *output,
				  const struct expectations_options *options, struct expectations **expectations)
{
	struct expectations *all = memory_alloc(sizeof(*all));
	struct error *error = NULL;

	all->output = output;
	all->options = *options;
	all->options.report.verbosity = 0;
	all->report = text_report_create(output, &all->options.report);
	all->lua = lua_state_create();
	environment_create(all->lua);
	for (size_t i = 0; i < words->count && !error; i++)
		error = add(all, &words->items[i]);
	*expectations = all;
	if (error) {
		expectations_destroy(all);
		*expectations = NULL;
	}
	return error;
}

void expectations_destroy(struct expectations *expectations)
{
	if (!expectations)
		return;
	for (size_t i = 0; i < expectations->items.count; i++)
		selector_deinit(&expectations->items.items[i].selector);
	vector_deinit(&expectations->items);
	lua_close(expectations->lua);
	report_destroy(expectations->report);
	free(expectations);
}

/* --- telling --- */

/* "    child.ret = 0"; what is no value (a function, a local name) is left out. */
static void tell_value(struct expectations *all, struct buffer *text, const struct chain *chain)
{
	_cleanup_(buffer_deinit) struct buffer shown = {0};
	_cleanup_free_ char *name = memory_strndup(chain->start, chain->size);
	struct error *error;

	buffer_printf(&shown, "show(%s)", name);
	error = expression_compile(all->lua, shown.data);
	if (!error) {
		environment_bind(all->lua);
		error = lua_state_call(all->lua, 0, 1);
	}
	if (error) {
		error_destroy(error);
		return;
	}
	buffer_printf(text, "    %s = ", name);
	escape_append(text, lua_tostring(all->lua, -1));
	buffer_append_text(text, "\n");
	lua_pop(all->lua, 1);
}

static bool is_repeated(const char *text, const struct chain *chain)
{
	struct chain earlier;

	while (chain_next(&text, &earlier) && earlier.start < chain->start) {
		if (earlier.size == chain->size && !memcmp(earlier.start, chain->start, chain->size))
			return true;
	}
	return false;
}

static void tell_values(struct expectations *all, struct buffer *text, const char *expression)
{
	const char *at = expression;
	struct chain chain;

	while (chain_next(&at, &chain)) {
		if (!chain.called && !is_repeated(expression, &chain))
			tell_value(all, text, &chain);
	}
}

/* "forktrace: not held in fork 2: child.ret == 1", why it could not be told, and the values. */
static void tell_failure(struct expectations *all, const struct expectation *item, const struct event *event,
			 const char *reason)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (event->kind == EVENT_FORK_FAILED)
		buffer_append_text(&text, "forktrace: not held in a call that failed: ");
	else
		buffer_printf(&text, "forktrace: not held in fork %lu: ", all->forks);
	escape_append(&text, item->text);
	buffer_append_text(&text, "\n");
	if (reason) {
		buffer_append_text(&text, "    ");
		escape_append(&text, reason);
		buffer_append_text(&text, "\n");
	}
	if (event->kind == EVENT_FORK || item->selector.failed)
		tell_values(all, &text, item->text);
	output_put(all->output, text.data, text.size);
}

static void tell_record(struct expectations *all, const struct event *event)
{
	output_put(all->output, "\n", 1);
	text_report_number(all->report, all->forks);
	all->report->sink.event(all->report->sink.context, event);
	output_put(all->output, "\n", 1);
}

/* --- judging --- */

/* Why nothing is to be expected of this record; NULL: it is whole. To be freed. */
static char *defect(const struct expectation *item, const struct event *event)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	if (event->kind == EVENT_FORK_FAILED) {
		if (!item->selector.failed)
			buffer_printf(&text, "the call failed: %s", strerror(event->fork_failed->error_number));
	} else if (!event->fork->parent.ret_known) {
		buffer_printf(&text, "parent.ret is not known: %s", event->fork->parent.ret_reason);
	} else if (!event->fork->child.ret_known) {
		buffer_printf(&text, "child.ret is not known: %s", event->fork->child.ret_reason);
	}
	return text.size ? memory_strdup(text.data) : NULL;
}

/* Lua's "expression:1: attempt to …", without the place, which says nothing here, and the traceback. */
static char *first_sentence(const char *message)
{
	const char *place = "expression:1: ";

	if (!strncmp(message, place, strlen(place)))
		message += strlen(place);
	return memory_strndup(message, strcspn(message, "\n"));
}

/* Is the expression true? Else *reason may tell more (to be freed). */
static bool evaluate(struct expectations *all, const struct expectation *item, char **reason)
{
	lua_State *lua = all->lua;
	bool held;

	lua_rawgeti(lua, LUA_REGISTRYINDEX, item->function);

	struct error *error = lua_state_call(lua, 0, 1);

	if (error) {
		*reason = first_sentence(error->message);
		error_destroy(error);
		return false;
	}
	held = lua_toboolean(lua, -1);
	/* In Lua 0 is true, which nobody means who writes `child.ret`. */
	if (lua_type(lua, -1) == LUA_TNUMBER) {
		_cleanup_(buffer_deinit) struct buffer text = {0};

		buffer_printf(&text, "the expression gives the number %s, neither true nor false",
			      lua_tostring(lua, -1));
		*reason = memory_strdup(text.data);
		held = false;
	}
	lua_pop(lua, 1);
	return held;
}

static bool is_shown(const struct expectations *all)
{
	return all->failures < SHOWN_MAX || all->options.verbosity > 0;
}

/* Holds one against the record. */
static bool judge(struct expectations *all, struct expectation *item, const struct event *event)
{
	_cleanup_free_ char *reason = defect(item, event);
	bool held = !reason && evaluate(all, item, &reason);

	item->matched++;
	if (!held && is_shown(all))
		tell_failure(all, item, event, reason);
	return held;
}

static bool is_about(const struct expectation *item, const struct event *event, json_t *record, unsigned long number)
{
	if (item->selector.failed && event->kind != EVENT_FORK_FAILED)
		return false;
	return selector_matches(&item->selector, record, number);
}

static void look_at(struct expectations *all, const struct event *event)
{
	json_t *record = json_event(event);
	bool held = true;

	if (event->kind == EVENT_FORK)
		all->forks++;
	else
		all->failed_calls++;
	environment_set(all->lua, record);
	for (size_t i = 0; i < all->items.count; i++) {
		struct expectation *item = &all->items.items[i];

		if (is_about(item, event, record, event->kind == EVENT_FORK ? all->forks : 0))
			held = judge(all, item, event) && held;
	}
	if (!held) {
		if (is_shown(all))
			tell_record(all, event);
		all->failures++;
	}
	json_decref(record);
}

static void on_event(void *context, const struct event *event)
{
	struct expectations *all = context;

	if (event->kind == EVENT_FORK || event->kind == EVENT_FORK_FAILED)
		look_at(all, event);
	if (all->also.event)
		all->also.event(all->also.context, event);
}

static void on_flush(void *context)
{
	struct expectations *all = context;

	output_flush(all->output);
	if (all->also.flush)
		all->also.flush(all->also.context);
}

struct event_sink expectations_sink(struct expectations *expectations, const struct event_sink *also)
{
	expectations->also = *also;
	return (struct event_sink){.event = on_event, .flush = on_flush, .context = expectations};
}

/* --- the end --- */

static void tell_unmatched(struct expectations *all)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	for (size_t i = 0; i < all->items.count; i++) {
		const struct expectation *item = &all->items.items[i];

		if (item->matched)
			continue;
		all->unmatched = true;
		buffer_printf(&text, "forktrace: not held, as no %s matched (--allow-none permits that): ",
			      item->selector.failed ? "failed call" : "fork");
		escape_append(&text, item->text);
		buffer_append_text(&text, "\n");
	}
	output_put(all->output, text.data, text.size);
}

static void tell_count(struct buffer *text, unsigned long count, const char *what)
{
	buffer_printf(text, "%lu %s%s", count, what, count == 1 ? "" : "s");
}

/* "forktrace: not all held: 2 expectations, 3 forks; not held in 1 of them" */
static void tell_end(struct expectations *all, bool held)
{
	_cleanup_(buffer_deinit) struct buffer text = {0};

	buffer_append_text(&text, held ? "forktrace: all held: " : "forktrace: not all held: ");
	tell_count(&text, all->items.count, "expectation");
	buffer_append_text(&text, ", ");
	tell_count(&text, all->forks, "fork");
	if (all->failed_calls) {
		buffer_append_text(&text, ", ");
		tell_count(&text, all->failed_calls, "failed call");
	}
	if (all->failures)
		buffer_printf(&text, "; not held in %lu of them", all->failures);
	if (all->failures > SHOWN_MAX && all->options.verbosity <= 0)
		buffer_printf(&text, " (the first %d are shown; with -v all)", SHOWN_MAX);
	buffer_append_text(&text, "\n");
	output_put(all->output, text.data, text.size);
}

bool expectations_finish(struct expectations *expectations)
{
	bool held;

	if (!expectations->options.allow_none)
		tell_unmatched(expectations);
	held = !expectations->failures && !expectations->unmatched;
	if (!held || expectations->options.verbosity >= 0)
		tell_end(expectations, held);
	output_flush(expectations->output);
	return held;
}
