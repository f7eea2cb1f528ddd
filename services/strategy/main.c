/* spoor-strategy: one strategy link, from ticks to trade plans. */
#include "services/strategy/strategy_io.h"

int main(int argc, char **argv)
{
    return sp_service_main(argc, argv, &sp_strategy_spec);
}
