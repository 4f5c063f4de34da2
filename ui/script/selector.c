/* --on: see selector.h. */
#include "ui/script/selector.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "ui/script/members.h"
#include "ui/script/nearest.h"

static const char *const of_parent[] = {"comm", "pid", "tid"};

void selector_deinit(struct selector *selector)
{
	for (size_t i = 0; i < selector->terms.count; i++) {
		free(selector->terms.items[i].key);
		free(selector->terms.items[i].value);
	}
	vector_deinit(&selector->terms);
}

/* "fork#N": from 1 on. */
static struct error *number_parse(struct selector *selector, const char *term)
{
	const char *digits = term + strlen("fork#");
	char *end;

	errno = 0;
	selector->number = strtoul(digits, &end, 10);
	if (*digits < '0' || *digits > '9' || *end || errno || !selector->number)
		return error_create(ERROR_INPUT, 0, term, "--on: '%s' is not valid: the forks are numbered from 1",
				    term);
	return NULL;
}

static char *full_key(const char *key)
{
	for (size_t i = 0; i < sizeof(of_parent) / sizeof(of_parent[0]); i++) {
		if (!strcmp(of_parent[i], key))
			return memory_printf("parent.%s", key);
	}
	return memory_strdup(key);
}

/* "comm" is not in the record itself, but can be what was meant. */
static const char *key_hint(json_t *record, json_t *object, const char *name, char *hint, size_t size)
{
	struct nearest nearest = nearest_to(name);

	member_hint(object, name, hint, size);
	if (object != record || hint[0])
		return hint;
	for (size_t i = 0; i < sizeof(of_parent) / sizeof(of_parent[0]); i++)
		nearest_offer(&nearest, of_parent[i]);
	if (nearest.name)
		snprintf(hint, size, ": did you mean '%s'?", nearest.name);
	return hint;
}

static struct error *word_refuse(const char *term)
{
	struct nearest nearest = nearest_to(term);
	char hint[128] = "";

	nearest_offer(&nearest, "failed");
	if (nearest.name)
		snprintf(hint, sizeof(hint), ": did you mean '%s'?", nearest.name);
	return error_create(ERROR_INPUT, 0, term,
			    "--on: '%s' is not valid; allowed: fork#N, failed, KEY=VALUE, separated by commas%s", term,
			    hint);
}

static struct error *term_parse(struct selector *selector, const char *term)
{
	const char *equals = strchr(term, '=');

	if (!strcmp(term, "failed")) {
		selector->failed = true;
		return NULL;
	}
	if (!strncmp(term, "fork#", strlen("fork#")))
		return number_parse(selector, term);
	if (!equals || equals == term)
		return word_refuse(term);

	_cleanup_free_ char *key = memory_strndup(term, (size_t)(equals - term));

	vector_push(&selector->terms, (struct selector_term){.key = full_key(key), .value = memory_strdup(equals + 1)});
	return NULL;
}

/* Takes a term off *text, its backslashes undone before commas and themselves. */
static char *term_take(const char **text)
{
	char *term = memory_alloc(strlen(*text) + 1);
	size_t size = 0;
	const char *at = *text;

	for (; *at && *at != ','; at++) {
		if (*at == '\\' && (at[1] == ',' || at[1] == '\\'))
			at++;
		term[size++] = *at;
	}
	*text = *at ? at + 1 : NULL;
	return term;
}

struct error *selector_parse(struct selector *selector, const char *text)
{
	struct error *error = NULL;

	while (text && !error) {
		_cleanup_free_ char *term = term_take(&text);

		error = term_parse(selector, term);
	}
	return error;
}

struct error *selector_check(const struct selector *selector)
{
	json_t *record = members_of(selector->failed ? EVENT_FORK_FAILED : EVENT_FORK);
	struct error *error = NULL;

	if (selector->failed && selector->number)
		error = error_create(ERROR_INPUT, 0, NULL,
				     "--on: failed calls have no number: fork#%lu and failed exclude "
				     "one another",
				     selector->number);
	for (size_t i = 0; i < selector->terms.count && !error; i++) {
		const char *key = selector->terms.items[i].key, *rest;
		char hint[128];
		json_t *object, *member = member_at(record, key, &object, &rest);

		if (!member)
			error = error_create(ERROR_INPUT, 0, key, "--on: a '%s' record has no member '%s'%s",
					     selector->failed ? "fork-failed" : "fork", key,
					     key_hint(record, object, rest, hint, sizeof(hint)));
		else if (json_is_object(member) || json_is_array(member))
			error = error_create(ERROR_INPUT, 0, key,
					     "--on: '%s' is no single value: --expect can look into it", key);
	}
	json_decref(record);
	return error;
}

static bool value_matches(const json_t *member, const char *value)
{
	char number[sizeof("-9223372036854775808")];

	if (json_is_string(member))
		return !strcmp(json_string_value(member), value);
	if (json_is_boolean(member))
		return !strcmp(json_is_true(member) ? "true" : "false", value);
	if (json_is_null(member))
		return !strcmp("null", value);
	snprintf(number, sizeof(number), "%" JSON_INTEGER_FORMAT, json_integer_value(member));
	return !strcmp(number, value);
}

bool selector_matches(const struct selector *selector, json_t *record, unsigned long number)
{
	if (selector->number && selector->number != number)
		return false;
	for (size_t i = 0; i < selector->terms.count; i++) {
		const char *rest;
		json_t *object, *member = member_at(record, selector->terms.items[i].key, &object, &rest);

		if (!member || !value_matches(member, selector->terms.items[i].value))
			return false;
	}
	return true;
}
