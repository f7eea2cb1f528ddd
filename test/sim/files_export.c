#include "files.h"

#include <stdio.h>
#include <string.h>

struct export
{
    const char *folder;
    bool failed;
};

static void make_real_dirs(char *path)
{
    for (char *at = path + 1; *at != '\0'; at++) {
        if (*at != '/') continue;
        *at = '\0';
        (void)mkdir(path, 0700);
        *at = '/';
    }
}

static void export_file(void *ctx, const char *from)
{
    struct export *export = ctx;
    char path[1024];
    size_t len = 0;
    const char *bytes = sim_files_get(from, &len);

    if (export->failed || bytes == NULL) return;
    snprintf(path, sizeof path, "%s/%s", export->folder, from + strlen(SIM_ROOT));
    make_real_dirs(path);
    FILE *file = fopen(path, "wb");
    if (file == NULL) {
        export->failed = true;
        return;
    }
    bool written = len == 0 || fwrite(bytes, 1, len, file) == len;
    export->failed = fclose(file) != 0 || !written;
}

bool sim_files_export(const char *folder)
{
    struct export export = {.folder = folder};

    sim_files_each(SIM_ROOT, export_file, &export);
    return !export.failed;
}
