#include "proto/decimal.h"
