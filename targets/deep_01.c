/* Levels 1 to 16 of test_deep. */
#include "deep.h"

LEVEL(01, level_02)
LEVEL(02, level_03)
LEVEL(03, level_04)
LEVEL(04, level_05)
LEVEL(05, level_06)
LEVEL(06, level_07)
LEVEL(07, level_08)
LEVEL(08, level_09)
LEVEL(09, level_10)
LEVEL(10, level_11)
LEVEL(11, level_12)
LEVEL(12, level_13)
LEVEL(13, level_14)
LEVEL(14, level_15)
LEVEL(15, level_16)
LEVEL(16, level_17)
