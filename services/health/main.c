#include "services/health/health_io.h"

int main(int argc, char **argv)
{
    return sp_service_main(argc, argv, &sp_health_spec);
}
