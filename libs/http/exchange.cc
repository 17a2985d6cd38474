#include "libs/http/exchange.h"

#include <utility>

namespace gatehouse::http {

void SetTarget(std::string target, Request* request) {
  request->target = std::move(target);
  const std::string_view text = request->target;
  const std::size_t mark = text.find('?');
  request->path = text.substr(0, mark);
  request->query = mark == text.npos ? std::string_view() : text.substr(mark + 1);
}

void PendingExchange::Open(std::uint32_t number) {
  number_ = number;
  answered_ = false;
}

PendingExchange::~PendingExchange() {
  if (answered_.exchange(true)) return;
  if (mailbox_->OnOwnThread()) {
    desk_->TakeAbandoned(connection_, number_, request_);
    return;
  }
  const auto request = std::make_shared<Request>();
  request->method = std::move(request_.method);
  request->minor_version = request_.minor_version;
  request->headers = std::move(request_.headers);
  request->peer_address = std::move(request_.peer_address);
  SetTarget(std::move(request_.target), request.get());
  mailbox_->Post([desk = desk_, connection = connection_, number = number_, request] {
    desk->TakeAbandoned(connection, number, *request);
  });
}

void PendingExchange::Reply(Response response) {
  if (answered_.exchange(true)) return;
  if (mailbox_->OnOwnThread()) {
    return desk_->TakeReply(connection_, number_, std::move(response));
  }
  mailbox_->Post([desk = desk_, connection = connection_, number = number_,
                  response = std::move(response)]() mutable {
    desk->TakeReply(connection, number, std::move(response));
  });
}

void PendingExchange::OnGone(std::function<void()> gone) {
  desk_->SetGone(connection_, number_, std::move(gone));
}

Stream* PendingExchange::OpenStream(std::shared_ptr<StreamOwner> owner) {
  if (!mailbox_->OnOwnThread() || answered_.exchange(true)) return nullptr;
  return desk_->OpenStream(connection_, number_, std::move(owner));
}

void PendingExchange::Post(std::function<void()> work) {
  mailbox_->Post([desk = desk_, connection = connection_, work = std::move(work)] {
    if (desk->IsOpen(connection)) work();
  });
}

}  // namespace gatehouse::http
