/* The pages of health as text, from what it believes. Pure; one thread. */
#ifndef SP_HEALTH_REPORT_H
#define SP_HEALTH_REPORT_H

#include "services/health/exposition.h"
#include "services/health/health_core.h"

/* One JSON object: the specification's health fields, the verdicts, and each service. */
void sp_report_health(struct sp_page *page, const struct sp_health *health, sp_mono now);
/* health's own gauges, in the Prometheus text format. */
void sp_report_metrics(struct sp_page *page, const struct sp_health *health, sp_mono now);
/* "ok", or what is wrong, in one line. Returns the HTTP status. */
int sp_report_live(struct sp_page *page, const struct sp_health *health, sp_mono now);
int sp_report_ready(struct sp_page *page, const struct sp_health *health, sp_mono now);

#endif
