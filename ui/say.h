/* What forktrace says on standard error besides the report. */
#ifndef FORKTRACE_UI_SAY_H
#define FORKTRACE_UI_SAY_H

/* One line, "forktrace: WHATMESSAGE"; the message is escaped. */
void say(const char *what, const char *message);

#endif
