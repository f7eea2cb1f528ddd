#include "services/marketdata/marketdata_io.h"

int main(int argc, char **argv)
{
    return sp_service_main(argc, argv, &sp_marketdata_spec);
}
