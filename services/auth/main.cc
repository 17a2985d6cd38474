#include "services/auth/program.h"
#include "services/auth/serve.h"

int main(int argc, char** argv) {
  namespace auth = gatehouse::auth;
  return gatehouse::service::Run(auth::AuthProgram(), argc, argv, auth::Serve);
}
