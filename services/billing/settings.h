// Every setting of the program `billing` beside the common ones.
#pragma once

#include <vector>

#include "libs/config/settings.h"

namespace gatehouse::billing {

std::vector<config::Setting> Settings();

}  // namespace gatehouse::billing
