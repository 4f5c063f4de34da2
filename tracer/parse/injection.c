/* Parses what --inject asks for: see injection.h. */
#include "parse/injection.h"

#include <string.h>

enum {
	ENTRY_MAX = 1000000000,
	DELAY_MAX_S = 3600,
	ERRNO_MAX = 511, /* those beyond are the kernel's own: ERESTARTSYS is 512 (include/linux/errno.h) */
	NS_PER_S = 1000000000,
	DIGITS_MAX = 18, /* of a number that an uint64_t holds for certain */
};

static const char allowed_calls[] = "fork, vfork, clone, clone3 or %fork, separated by commas";
static const char allowed_parts[] = "error=ERRNO, delay=TIME (or delay_enter=TIME) and when=EXPRESSION, each once";
static const char allowed_change[] = "':error=ERRNO', ':delay=TIME' or both: what is to happen to the call";
static const char allowed_errno[] = "the name of an error, such as EAGAIN, or its number, 1 to 511";
static const char allowed_delay[] =
    "a decimal number greater than 0, with a unit (s, ms, us or ns) or as microseconds, an hour at most";
static const char allowed_when[] = "N, N+, N+STEP, N..M, N..M+ or N..M+STEP, with numbers from 1 to 1000000000";
static const char allowed_range[] = "a last entry that is not before the first";

/* A part of the text. */
struct span {
	const char *begin, *end;
};

struct parsing {
	const char *text;
	struct injection *injection;
	struct injection_mistake *mistake;
	bool when_given;
};

static bool refuse(const struct parsing *parsing, struct span span, const char *allowed)
{
	*parsing->mistake = (struct injection_mistake){
	    .position = (size_t)(span.begin - parsing->text),
	    .size = (size_t)(span.end - span.begin),
	    .allowed = allowed,
	};
	return false;
}

static bool span_is(struct span span, const char *word)
{
	size_t size = (size_t)(span.end - span.begin);

	return strlen(word) == size && !memcmp(span.begin, word, size);
}

/* Takes `word` off the front. */
static bool span_take(struct span *span, const char *word)
{
	size_t size = strlen(word);

	if ((size_t)(span->end - span->begin) < size || memcmp(span->begin, word, size) != 0)
		return false;
	span->begin += size;
	return true;
}

/* Takes decimal digits off the front, at least one. */
static bool take_number(struct span *span, uint64_t *number)
{
	const char *start = span->begin;

	*number = 0;
	for (; span->begin < span->end && *span->begin >= '0' && *span->begin <= '9'; span->begin++) {
		if (span->begin - start == DIGITS_MAX)
			return false;
		*number = *number * 10 + (uint64_t)(*span->begin - '0');
	}
	return span->begin > start;
}

static bool take_entry(struct span *span, uint64_t *number)
{
	return take_number(span, number) && *number >= 1 && *number <= ENTRY_MAX;
}

/* --- the parts --- */

static bool parse_call(const struct parsing *parsing, struct span span)
{
	static const uint32_t all =
	    1U << FORK_SYSCALL_FORK | 1U << FORK_SYSCALL_VFORK | 1U << FORK_SYSCALL_CLONE | 1U << FORK_SYSCALL_CLONE3;

	if (span_is(span, "%fork")) {
		parsing->injection->calls |= all;
		return true;
	}
	for (int call = FORK_SYSCALL_FORK; call <= FORK_SYSCALL_CLONE3; call++) {
		if (span_is(span, fork_syscall_name((enum fork_syscall)call))) {
			parsing->injection->calls |= 1U << call;
			return true;
		}
	}
	return refuse(parsing, span, allowed_calls);
}

static bool parse_calls(const struct parsing *parsing, struct span span)
{
	for (;;) {
		const char *comma = memchr(span.begin, ',', (size_t)(span.end - span.begin));

		if (!parse_call(parsing, (struct span){span.begin, comma ? comma : span.end}))
			return false;
		if (!comma)
			return true;
		span.begin = comma + 1;
	}
}

static bool parse_error(const struct parsing *parsing, struct span span)
{
	struct span rest = span;
	uint64_t number;

	if (take_number(&rest, &number) && rest.begin == rest.end && number >= 1 && number <= ERRNO_MAX) {
		parsing->injection->error_number = (int)number;
		return true;
	}
	for (int candidate = 1; candidate <= ERRNO_MAX; candidate++) {
		const char *name = errno_name(candidate);

		if (name && span_is(span, name)) {
			parsing->injection->error_number = candidate;
			return true;
		}
	}
	return refuse(parsing, span, allowed_errno);
}

/* The unit at the end of a time, in nanoseconds; 0: there is no such unit. */
static uint64_t unit_ns(struct span span)
{
	static const struct {
		const char *name;
		uint64_t ns;
	} units[] = {{"", 1000}, {"us", 1000}, {"ms", 1000000}, {"s", NS_PER_S}, {"ns", 1}};

	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		if (span_is(span, units[i].name))
			return units[i].ns;
	}
	return 0;
}

/* The digits behind a point, as a part of `unit`; what is less than a nanosecond is dropped. */
static uint64_t take_fraction(struct span *span, uint64_t unit)
{
	uint64_t sum = 0;

	for (; span->begin < span->end && *span->begin >= '0' && *span->begin <= '9'; span->begin++) {
		unit /= 10;
		sum += unit * (uint64_t)(*span->begin - '0');
	}
	return sum;
}

static bool parse_delay(const struct parsing *parsing, struct span span)
{
	static const uint64_t limit = UINT64_C(1) * DELAY_MAX_S * NS_PER_S;
	struct span rest = span, fraction, unit;
	uint64_t whole, ns;

	if (!take_number(&rest, &whole))
		return refuse(parsing, span, allowed_delay);
	fraction = rest;
	if (span_take(&fraction, ".")) {
		rest = fraction;
		take_fraction(&rest, 0);
	}
	unit = rest;
	ns = unit_ns(unit);
	if (!ns || whole > limit / ns)
		return refuse(parsing, span, allowed_delay);
	whole *= ns;
	if (fraction.begin < unit.begin)
		whole += take_fraction(&fraction, ns);
	if (!whole || whole > limit)
		return refuse(parsing, span, allowed_delay);
	parsing->injection->delay_ns = whole;
	return true;
}

static bool parse_when(struct parsing *parsing, struct span span)
{
	struct injection *injection = parsing->injection;
	struct span rest = span;
	bool range;

	parsing->when_given = true;
	injection->step = 1;
	if (!take_entry(&rest, &injection->first))
		return refuse(parsing, span, allowed_when);
	range = span_take(&rest, "..");
	injection->last = injection->first;
	if (range && !take_entry(&rest, &injection->last))
		return refuse(parsing, span, allowed_when);
	if (span_take(&rest, "+")) {
		if (!range)
			injection->last = UINT64_MAX;
		if (rest.begin < rest.end && !take_entry(&rest, &injection->step))
			return refuse(parsing, span, allowed_when);
	}
	if (rest.begin < rest.end)
		return refuse(parsing, span, allowed_when);
	return injection->last >= injection->first || refuse(parsing, span, allowed_range);
}

static bool parse_part(struct parsing *parsing, struct span span)
{
	struct span value = span;

	if (span_take(&value, "error=") && !parsing->injection->error_number)
		return parse_error(parsing, value);
	value = span;
	if ((span_take(&value, "delay=") || span_take(&value, "delay_enter=")) && !parsing->injection->delay_ns)
		return parse_delay(parsing, value);
	value = span;
	if (span_take(&value, "when=") && !parsing->when_given)
		return parse_when(parsing, value);
	return refuse(parsing, span, allowed_parts);
}

bool injection_parse(const char *text, struct injection *injection, struct injection_mistake *mistake)
{
	struct parsing parsing = {.text = text, .injection = injection, .mistake = mistake};
	const char *end = text + strcspn(text, ":");

	*injection = (struct injection){.text = text, .first = 1, .last = UINT64_MAX, .step = 1};
	if (!parse_calls(&parsing, (struct span){text, end}))
		return false;
	while (*end) {
		const char *begin = end + 1;

		end = begin + strcspn(begin, ":");
		if (!parse_part(&parsing, (struct span){begin, end}))
			return false;
	}
	if (!injection->error_number && !injection->delay_ns)
		return refuse(&parsing, (struct span){end, end}, allowed_change);
	return true;
}

bool injection_applies(const struct injection *injection, uint64_t entry)
{
	return entry >= injection->first && entry <= injection->last &&
	       (entry - injection->first) % injection->step == 0;
}
