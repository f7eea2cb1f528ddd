#include "proto/messages.h"
