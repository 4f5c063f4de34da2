/* The report that the command line asks for. */
#ifndef FORKTRACE_UI_OPEN_REPORT_H
#define FORKTRACE_UI_OPEN_REPORT_H

#include "ui/options.h"
#include "ui/report/report.h"
#include "ui/script/expectations.h"

/* What suits the output: the width and the colours of its terminal. */
struct report_options report_choices(const struct options *options, const struct output *output);

/* Opens the output and makes the report that goes there; the caller owns both, also where it fails. */
struct error *open_report(const struct options *options, struct output *output, struct report **report);

/* What is expected, NULL where nothing is: what does not hold is told on standard error, by `complaints`, which must
 * outlive them. The caller owns both, also where it fails. */
struct error *open_expectations(const struct options *options, struct output *complaints,
				struct expectations **expectations);

#endif
