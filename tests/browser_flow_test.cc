// Cookies, CSRF and SameSite as a real browser sees them: Debian's Chromium, driven by
// npm's playwright-core. Run by `make browser`, which installs both.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

TEST(BrowserFlow, CookiesAreWhatABrowserNeedsThemToBe) {
  harness::Stack::Options options;
  options.own["gateway"]["HTTPS_ONLY"] = "true";
  harness::Stack stack(options);
  ASSERT_EQ(stack.Start(), "");
  stack.SignUp("ada");
  const std::string output = stack.directory() + "/browser.log";
  const char* screenshot = std::getenv("BROWSER_SCREENSHOT");
  const std::string command = "node " GATEHOUSE_SOURCE "/tests/browser/cookies.mjs " +
                              stack.http().address() + " ada '" + harness::kPassword + "' '" +
                              (screenshot == nullptr ? "" : screenshot) + "' > " + output + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream file(output);
  const std::string printed{std::istreambuf_iterator<char>(file), {}};
  EXPECT_EQ(printed, "cookies: ok\n");
}

}  // namespace
}  // namespace gatehouse
