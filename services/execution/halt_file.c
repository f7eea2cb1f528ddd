#include "services/execution/execution_io.h"

#include <stdio.h>
#include <string.h>

bool sp_execution_read_halt_file(const char *dir, struct sp_operator_command *command)
{
    char path[SP_PATH_SIZE + 16], scope[SP_NAME_SIZE + 1] = {0}, reason[SP_TEXT_SIZE] = {0};

    snprintf(path, sizeof path, "%s/HALT", dir);
    FILE *file = fopen(path, "re");
    if (file == NULL) return false;
    if (fgets(scope, sizeof scope, file) == NULL) scope[0] = '\0';
    if (fgets(reason, sizeof reason, file) == NULL) reason[0] = '\0';
    fclose(file);
    scope[strcspn(scope, "\n")] = '\0';
    reason[strcspn(reason, "\n")] = '\0';
    *command = (struct sp_operator_command){.command = SP_COMMAND_HALT,
                                            .operator_name = sp_name_of("halt_file")};
    /* A damaged file halts everything: that is what it is for. */
    if (!sp_name_set(&command->scope, scope) || scope[0] == '\0') {
        command->scope = sp_name_of("all");
    }
    sp_text_printf(&command->reason, "%s", reason);
    return true;
}
