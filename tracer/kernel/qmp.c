/* QEMU's machine protocol: see qmp.h. */
#include "kernel/qmp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "base/memory.h"

/* Bytes of a message at most: QEMU's are a few hundred. */
enum { MESSAGE_MAX = 1 << 20 };

static void json_cleanup(json_t **json)
{
	json_decref(*json);
}

static struct error *closed(void)
{
	return error_create(ERROR_SYSTEM, ECONNRESET, NULL, "QEMU closed its QMP connection");
}

/* Appends what has arrived; *some tells whether anything had. */
static struct error *receive(struct qmp *qmp, bool *some)
{
	enum { CHUNK = 4096 };
	ssize_t got = recv(qmp->fd, buffer_reserve(&qmp->received, CHUNK), CHUNK, MSG_DONTWAIT);

	*some = got > 0;
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return NULL;
	if (got <= 0)
		return closed();
	qmp->received.size += (size_t)got;
	qmp->received.data[qmp->received.size] = '\0';
	if (qmp->received.size > MESSAGE_MAX)
		return error_create(ERROR_INPUT, 0, NULL, "QEMU sent a QMP message without end");
	return NULL;
}

static void note_event(struct qmp *qmp, const json_t *message)
{
	const char *event = json_string_value(json_object_get(message, "event"));
	const char *status = json_string_value(json_object_get(json_object_get(message, "data"), "status"));

	if (event && status && !strcmp(event, "MIGRATION"))
		snprintf(qmp->migration, sizeof(qmp->migration), "%s", status);
}

/* The next whole message that is no event; NULL in *message: none has arrived. */
static struct error *take_message(struct qmp *qmp, json_t **message)
{
	struct buffer *received = &qmp->received;

	*message = NULL;
	for (char *end; received->size && (end = memchr(received->data, '\n', received->size));) {
		size_t length = (size_t)(end - received->data) + 1;
		json_t *line = json_loadb(received->data, length, 0, NULL);

		received->size -= length;
		memmove(received->data, received->data + length, received->size);
		if (!line)
			return error_create(ERROR_INPUT, 0, NULL, "QEMU sent what is not QMP");
		if (!json_object_get(line, "event")) {
			*message = line;
			return NULL;
		}
		note_event(qmp, line);
		json_decref(line);
	}
	return NULL;
}

static struct error *wait_message(struct qmp *qmp, const struct patience *patience, json_t **message)
{
	for (;;) {
		struct pollfd polled = {.fd = qmp->fd, .events = POLLIN};
		struct error *error = take_message(qmp, message);
		bool some;

		if (error || *message)
			return error;
		error = patience_poll(patience, &polled, 1);
		if (!error)
			error = receive(qmp, &some);
		if (error)
			return error;
	}
}

/* One message, with the descriptor beside its first byte (unix(7), SCM_RIGHTS). */
static struct error *send_text(struct qmp *qmp, char *text, int passed)
{
	union {
		char bytes[CMSG_SPACE(sizeof(int))];
		struct cmsghdr aligned;
	} control = {0};
	struct iovec part = {text, strlen(text)};
	struct msghdr message = {.msg_iov = &part, .msg_iovlen = 1};

	if (passed >= 0) {
		message.msg_control = control.bytes;
		message.msg_controllen = sizeof(control.bytes);
		*CMSG_FIRSTHDR(&message) = (struct cmsghdr){
		    .cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		memcpy(CMSG_DATA(CMSG_FIRSTHDR(&message)), &passed, sizeof(passed));
	}
	/* Commands are far smaller than the socket's buffer, and one is sent at a time. */
	if (sendmsg(qmp->fd, &message, MSG_NOSIGNAL) != (ssize_t)part.iov_len)
		return closed();
	return NULL;
}

struct error *qmp_execute(struct qmp *qmp, const char *command, json_t *arguments, int passed,
			  const struct patience *patience, json_t **result)
{
	_cleanup_(json_cleanup) json_t *request =
	    arguments ? json_pack("{s:s, s:o}", "execute", command, "arguments", arguments)
		      : json_pack("{s:s}", "execute", command);
	_cleanup_(json_cleanup) json_t *answer = NULL;
	_cleanup_free_ char *text = request ? json_dumps(request, JSON_COMPACT) : NULL;

	if (!text)
		return error_create(ERROR_INPUT, 0, command, "the QMP command %s is not UTF-8", command);

	struct error *error = send_text(qmp, text, passed);

	if (!error)
		error = wait_message(qmp, patience, &answer);
	if (error)
		return error;

	const char *refusal = json_string_value(json_object_get(json_object_get(answer, "error"), "desc"));
	json_t *returned = json_object_get(answer, "return");

	if (!returned)
		return error_create(ERROR_INPUT, 0, command, "QEMU refused %s: %s", command,
				    refusal ? refusal : "without a reason");
	if (result)
		*result = json_incref(returned);
	return NULL;
}

static bool take_version(struct qmp *qmp, json_t *greeting)
{
	int major, minor, micro;
	const char *package;

	if (json_unpack(greeting, "{s:{s:{s:{s:i, s:i, s:i}, s:s}}}", "QMP", "version", "qemu", "major", &major,
			"minor", &minor, "micro", &micro, "package", &package))
		return false;
	snprintf(qmp->version, sizeof(qmp->version), "%d.%d.%d (%s)", major, minor, micro, package);
	return true;
}

struct error *qmp_init(struct qmp *qmp, int fd, const struct patience *patience)
{
	_cleanup_(json_cleanup) json_t *greeting = NULL;

	*qmp = (struct qmp){.fd = fd};

	struct error *error = wait_message(qmp, patience, &greeting);

	if (!error && !take_version(qmp, greeting))
		error = error_create(ERROR_INPUT, 0, NULL, "QEMU did not greet over QMP");
	return error ? error : qmp_execute(qmp, "qmp_capabilities", NULL, -1, patience, NULL);
}

void qmp_deinit(struct qmp *qmp)
{
	buffer_deinit(&qmp->received);
}

struct error *qmp_dispatch(struct qmp *qmp)
{
	bool some = true;
	struct error *error = NULL;

	while (!error && some) {
		json_t *message = NULL;

		error = receive(qmp, &some);
		if (!error)
			error = take_message(qmp, &message);
		json_decref(message);
	}
	return error;
}

/* What came behind the last answer, and with it, is in no descriptor any more: it is looked at before the wait. */
struct error *qmp_wait_migration(struct qmp *qmp, const struct patience *patience)
{
	for (;;) {
		struct pollfd polled = {.fd = qmp->fd, .events = POLLIN};
		struct error *error = qmp_dispatch(qmp);

		if (error || !strcmp(qmp->migration, "completed") || !strcmp(qmp->migration, "failed"))
			return error;
		error = patience_poll(patience, &polled, 1);
		if (error)
			return error;
	}
}

struct error *qmp_wait_status(struct qmp *qmp, const char *wanted, const struct patience *patience)
{
	enum { TRIES_MAX = 10000 };
	const struct timespec pause = {.tv_nsec = 200000};

	for (int i = 0; i < TRIES_MAX; i++) {
		_cleanup_(json_cleanup) json_t *result = NULL;
		struct error *error = qmp_execute(qmp, "query-status", NULL, -1, patience, &result);
		const char *status = json_string_value(json_object_get(result, "status"));

		if (error || (status && !strcmp(status, wanted)))
			return error;
		nanosleep(&pause, NULL);
	}
	return error_create(ERROR_SYSTEM, ETIMEDOUT, NULL, "QEMU does not get to the state %s", wanted);
}
