#include "services/kill/kill_args.h"

#include "proto/decimal.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const char help[] =
    "usage: spoor-kill --url URL --key FILE --symbol SYMBOL[:KEEP]... [--ca FILE] [--yes]\n"
    "\n"
    "Cancels all open orders of each symbol at the venue and sells what is held of it at market,\n"
    "again and again until nothing is open and nothing is left that the venue would take. It asks\n"
    "the venue alone: it works while every service is dead, hangs, or has no disk.\n"
    "\n"
    "  --url URL             of the venue: https://api.binance.com, or http:// on loopback\n"
    "  --key FILE            {\"api_key\": \"..\", \"secret\": \"..\"}, chmod 400.\n"
    "                        Give it a key of its own, that may trade and may not withdraw\n"
    "  --ca FILE             certificates (PEM) that are trusted instead of the system's\n"
    "  --symbol SYMBOL:KEEP  sells all but KEEP of the base asset: what is there and not this\n"
    "                        system's. Without :KEEP everything is sold\n"
    "  --yes                 does not ask\n"
    "\n"
    "Services that still run may trade on: spoor halt or spoor down them first if they can be\n"
    "reached. They find out about it at their next reconciliation.\n"
    "\n"
    "Exit code 0: flat. 70: not flat, the last lines say why. 78: the key file.\n";

static int usage(const char *what, const char *value)
{
    fprintf(stderr, "spoor-kill: %s%s%s; see spoor-kill --help\n", what, value != NULL ? " " : "",
            value != NULL ? value : "");
    return SP_KILL_EXIT_USAGE;
}

static bool is_allowed_url(const char *url)
{
    struct in_addr address;
    char host[64];

    if (strncmp(url, "https://", 8) == 0) return url[8] != '\0';
    if (strncmp(url, "http://", 7) != 0) return false;
    size_t len = strcspn(url + 7, ":/");
    if (len >= sizeof host) return false;
    memcpy(host, url + 7, len);
    host[len] = '\0';
    return inet_pton(AF_INET, host, &address) == 1 && (ntohl(address.s_addr) >> 24) == 127;
}

static bool add_symbol(struct sp_kill_args *args, const char *text)
{
    const char *colon = strchr(text, ':');
    size_t len = colon != NULL ? (size_t)(colon - text) : strlen(text);

    if (args->symbol_count == SP_KILL_SYMBOLS_MAX || len == 0) return false;
    struct sp_kill_symbol *symbol = &args->symbols[args->symbol_count];
    if (!sp_name_set_n(&symbol->symbol, text, len)) return false;
    if (colon != NULL && (sp_e8_parse(colon + 1, strlen(colon + 1), &symbol->keep.e8) != SP_OK ||
                          symbol->keep.e8 < 0))
        return false;
    args->symbol_count++;
    return true;
}

int sp_kill_args_parse(struct sp_kill_args *args, int argc, char **argv)
{
    *args = (struct sp_kill_args){0};
    for (int i = 1; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            fputs(help, stdout);
            args->help = true;
            return 0;
        }
        if (strcmp(arg, "--yes") == 0) {
            args->yes = true;
            continue;
        }
        const char *value = i + 1 < argc ? argv[++i] : NULL;
        if (value == NULL) return usage("unknown, or without its value:", arg);
        if (strcmp(arg, "--url") == 0) {
            args->url = value;
        } else if (strcmp(arg, "--key") == 0) {
            args->key_file = value;
        } else if (strcmp(arg, "--ca") == 0) {
            args->ca_file = value;
        } else if (strcmp(arg, "--symbol") != 0) {
            return usage("unknown:", arg);
        } else if (!add_symbol(args, value)) {
            return usage("not SYMBOL or SYMBOL:KEEP:", value);
        }
    }
    if (args->url == NULL) return usage("--url is missing", NULL);
    if (!is_allowed_url(args->url))
        return usage("--url is neither https:// nor http:// on loopback:", args->url);
    if (args->key_file == NULL) return usage("--key is missing", NULL);
    if (args->symbol_count == 0) return usage("--symbol is missing", NULL);
    return 0;
}

bool sp_kill_args_confirmed(const struct sp_kill_args *args)
{
    char line[16] = "";

    if (args->yes) return true;
    printf("At %s, this cancels every order and sells at market:\n", args->url);
    for (uint32_t i = 0; i < args->symbol_count; i++) {
        char keep[SP_E8_TEXT_SIZE];
        printf("  %s%s%s\n", args->symbols[i].symbol.s,
               args->symbols[i].keep.e8 > 0 ? ", all but " : ", all",
               args->symbols[i].keep.e8 > 0 ? sp_e8_format(args->symbols[i].keep.e8, keep) : "");
    }
    printf("Type kill to go on: ");
    fflush(stdout);
    return fgets(line, sizeof line, stdin) != NULL && strcmp(line, "kill\n") == 0;
}
