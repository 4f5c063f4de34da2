/* Levels 49 to 64 of test_deep. */
#include "deep.h"

LEVEL(49, level_50)
LEVEL(50, level_51)
LEVEL(51, level_52)
LEVEL(52, level_53)
LEVEL(53, level_54)
LEVEL(54, level_55)
LEVEL(55, level_56)
LEVEL(56, level_57)
LEVEL(57, level_58)
LEVEL(58, level_59)
LEVEL(59, level_60)
LEVEL(60, level_61)
LEVEL(61, level_62)
LEVEL(62, level_63)
LEVEL(63, level_64)
LEVEL(64, fork_here)
