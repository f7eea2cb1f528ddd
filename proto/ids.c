#include "proto/ids.h"
