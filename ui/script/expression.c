/* What can be told of a Lua expression by its text: see expression.h. */
#include "ui/script/expression.h"

#include <ctype.h>
#include <string.h>

#include "base/memory.h"

static const char *const keywords[] = {"and",      "break",  "do",   "else", "elseif", "end",  "false", "for",
				       "function", "goto",   "if",   "in",   "local",  "nil",  "not",   "or",
				       "repeat",   "return", "then", "true", "until",  "while"};

static bool starts_name(char c)
{
	return isalpha((unsigned char)c) || c == '_';
}

static size_t name_size(const char *text)
{
	size_t size = 0;

	while (starts_name(text[size]) || (size && isdigit((unsigned char)text[size])))
		size++;
	return size;
}

static bool is_keyword(const char *name, size_t size)
{
	for (size_t i = 0; i < sizeof(keywords) / sizeof(keywords[0]); i++) {
		if (strlen(keywords[i]) == size && !memcmp(keywords[i], name, size))
			return true;
	}
	return false;
}

static const char *skip_blanks(const char *text)
{
	while (isspace((unsigned char)*text))
		text++;
	return text;
}

/* Behind "[[…]]" or "[==[…]==]" at `text`; NULL: there is none. */
static const char *skip_long(const char *text)
{
	size_t level = *text == '[' ? strspn(text + 1, "=") : 0;

	if (*text != '[' || text[1 + level] != '[')
		return NULL;
	for (const char *end = strchr(text, ']'); end; end = strchr(end + 1, ']')) {
		if (strspn(end + 1, "=") == level && end[1 + level] == ']')
			return end + level + 2;
	}
	return text + strlen(text);
}

static const char *skip_quoted(const char *text)
{
	char quote = *text++;

	while (*text && *text != quote)
		text += *text == '\\' && text[1] ? 2 : 1;
	return *text ? text + 1 : text;
}

static const char *skip_comment(const char *text)
{
	const char *behind = text[2] == '[' ? skip_long(text + 2) : NULL;

	return behind ? behind : text + strcspn(text, "\n");
}

static const char *skip_number(const char *text)
{
	while (isalnum((unsigned char)*text) || *text == '.')
		text++;
	return text;
}

/* The size of "[1]" or "['name']" at `text`; 0: it is another index, or none. */
static size_t index_size(const char *text)
{
	const char *end = text + 1;

	if (*text != '[' || skip_long(text))
		return 0;
	if (*end == '\'' || *end == '"')
		end = skip_quoted(end);
	else
		end += strspn(end, "0123456789");
	return end > text + 1 && *end == ']' ? (size_t)(end + 1 - text) : 0;
}

static size_t chain_size(const char *text)
{
	size_t size = name_size(text);

	for (;;) {
		size_t index = index_size(text + size);

		if (index)
			size += index;
		else if (text[size] == '.' && starts_name(text[size + 1]))
			size += 1 + name_size(text + size + 1);
		else
			return size;
	}
}

/* Is what follows the arguments of a call? f(x), f'x', f"x", f{x}, f[[x]] */
static bool is_called(const char *behind)
{
	behind = skip_blanks(behind);
	return (*behind && strchr("('\"{", *behind)) || skip_long(behind);
}

bool chain_next(const char **text, struct chain *chain)
{
	const char *at = *text;

	while (*at) {
		const char *behind = skip_long(at);
		size_t size = name_size(at);

		if (behind) {
			at = behind;
		} else if (*at == '\'' || *at == '"') {
			at = skip_quoted(at);
		} else if (at[0] == '-' && at[1] == '-') {
			at = skip_comment(at);
		} else if (isdigit((unsigned char)*at)) {
			at = skip_number(at);
		} else if (at[0] == '.' && at[1] == '.') {
			at += 2;
		} else if (*at == '.' || *at == ':') { /* a member of whatever stands before */
			at = skip_blanks(at + 1);
			at += name_size(at);
		} else if (!size) {
			at++;
		} else if (is_keyword(at, size)) {
			at += size;
		} else {
			*chain = (struct chain){.start = at, .size = chain_size(at)};
			*text = at + chain->size;
			chain->called = is_called(*text);
			return true;
		}
	}
	*text = at;
	return false;
}

size_t chain_part(const struct chain *chain, const char **at, const char **part)
{
	const char *text = *at;
	size_t size;

	if (text >= chain->start + chain->size)
		return 0;
	if (*text == '[') {
		size = index_size(text);
		*at = text + size;
		*part = text;
		if (!isdigit((unsigned char)text[1])) {
			*part = text + 2;
			size -= 4;
		}
		return size;
	}
	*part = text + (*text == '.');
	size = name_size(*part);
	*at = *part + size;
	return size;
}

bool expression_has_locals(const char *text)
{
	return strstr(text, "function") != NULL;
}

/* --- compiling --- */

static const char prefix[] = "return ";

/* Gives the text one byte at a time, so that it is known how far it was read when an error is found. */
struct reader {
	const char *text;
	size_t given; /* of prefix and text */
};

static const char *give(lua_State *lua, void *context, size_t *size)
{
	struct reader *reader = context;
	const char *next;

	(void)lua;
	if (reader->given < sizeof(prefix) - 1)
		next = prefix + reader->given;
	else
		next = reader->text + (reader->given - (sizeof(prefix) - 1));
	*size = *next ? 1 : 0;
	reader->given++;
	return next;
}

/* Lua's "expression:1: unexpected symbol near '=='" as one sentence. The reader is one character behind the word that
 * Lua complains about; at the end it has tried once more. */
static struct error *complain(const char *text, const struct reader *reader, const char *message)
{
	const char *sentence = strstr(message, ": ");
	const char *near = strstr(message, " near ");
	size_t read = reader->given - (sizeof(prefix) - 1);
	size_t size = near ? strlen(near + strlen(" near ")) : 0;

	sentence = sentence ? sentence + 2 : message;
	if (near && strstr(near, "<eof>"))
		return error_create(ERROR_INPUT, 0, text,
				    "--expect '%s': the expression ends too early, behind character %zu", text,
				    strlen(text));
	/* The end was expected at once: what stands there does not belong to an expression. */
	if (near && !strncmp(sentence, "<eof> expected", strlen("<eof> expected")))
		sentence = near + 1;
	/* Without its quotation marks; strings and names are quoted as they were written. */
	size = size > 2 ? size - 2 : 0;

	size_t position = read > size ? read - size : 1;

	return error_create(ERROR_INPUT, 0, text, "--expect '%s': character %zu: %s%s", text, position,
			    near && sentence == near + 1 ? "the expression should end " : "", sentence);
}

struct error *expression_compile(lua_State *lua, const char *text)
{
	struct reader reader = {.text = text};
	struct error *error;

	if (!*skip_blanks(text))
		return error_create(ERROR_INPUT, 0, NULL, "--expect: the expression is empty");
	if (!lua_load(lua, give, &reader, "=expression", "t"))
		return NULL;
	error = complain(text, &reader, lua_tostring(lua, -1));
	lua_pop(lua, 1);
	return error;
}
