// Shows the gateway's document in Redoc.
window.Redoc.init('/openapi.json', {
  hideLoading: true,
  nativeScrollbars: true,
  expandResponses: '200,201'
}, document.getElementById('viewer'))
