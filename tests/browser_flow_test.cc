// Cookies, CSRF, SameSite and the pages of the documentation as a real browser sees them:
// Debian's Chromium, driven by npm's playwright-core. Run by `make browser`, which installs
// both.
#include <gmock/gmock.h>

#include <cstdlib>
#include <fstream>

#include "tests/harness/stack.h"

namespace gatehouse {
namespace {

// What a script of tests/browser prints, run on the stack's gateway.
std::string Printed(harness::Stack& stack, const std::string& script,
                    const std::string& arguments) {
  const std::string output = stack.directory() + "/browser.log";
  const std::string command = "node " GATEHOUSE_SOURCE "/tests/browser/" + script + " " +
                              stack.http().address() + " " + arguments + " > " + output + " 2>&1";
  EXPECT_EQ(std::system(command.c_str()), 0);
  std::ifstream file(output);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::string Wanted(const char* variable) {
  const char* value = std::getenv(variable);
  return value == nullptr ? "''" : "'" + std::string(value) + "'";
}

TEST(BrowserFlow, CookiesAreWhatABrowserNeedsThemToBe) {
  harness::Stack::Options options;
  options.own["gateway"]["HTTPS_ONLY"] = "true";
  harness::Stack stack(options);
  ASSERT_EQ(stack.Start(), "");
  stack.SignUp("ada");
  EXPECT_EQ(
      Printed(stack, "cookies.mjs",
              "ada '" + std::string(harness::kPassword) + "' " + Wanted("BROWSER_SCREENSHOT")),
      "cookies: ok\n");
}

TEST(BrowserFlow, ThePagesOfTheDocumentationWorkWithNothingFromElsewhere) {
  harness::Stack stack;
  ASSERT_EQ(stack.Start(), "");
  EXPECT_EQ(Printed(stack, "pages.mjs", Wanted("BROWSER_SCREENSHOTS")), "pages: ok\n");
}

}  // namespace
}  // namespace gatehouse
