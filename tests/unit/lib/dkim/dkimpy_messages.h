/* Made by dkimpy_messages.py. */
#define DKIMPY_RSA "MIIBIjANBgkqhkiG9w0BAQEFAAOCAQ8AMIIBCgKCAQEAmdF5nx2RBROhhx8mmf6FXrfALNy3xAn9PZtWx2DyimmNnY2Y2SgX1mSfRHEB+sIiJZuv3WLVq+emZyG7ygkGUl0E0fuent4yAfCcgizuT4q9EHPr060IZRGK29+HPvwkcuZ6yQWVOo+EiP5LLjl/0+FjHxIRlK4BA2Upct6XFL5QLB+0bD4K0CV2FWzT40RlmTO7GL6v1ct8otn3z/+dbPIg+hXGLdNsLkO53Zi3AkQT/i8oIaqCbL7l9dgsdJDHoLZ//kqdr/k1nfDLvSbHcRhUZXlLhv9gUbaC3FN0ZysM62rCOpudH5ql+u9Qtf6/L0177EBgJXPD8dg7NL2YGwIDAQAB"
#define DKIMPY_RSA_PKCS1 "MIIBCgKCAQEAmdF5nx2RBROhhx8mmf6FXrfALNy3xAn9PZtWx2DyimmNnY2Y2SgX1mSfRHEB+sIiJZuv3WLVq+emZyG7ygkGUl0E0fuent4yAfCcgizuT4q9EHPr060IZRGK29+HPvwkcuZ6yQWVOo+EiP5LLjl/0+FjHxIRlK4BA2Upct6XFL5QLB+0bD4K0CV2FWzT40RlmTO7GL6v1ct8otn3z/+dbPIg+hXGLdNsLkO53Zi3AkQT/i8oIaqCbL7l9dgsdJDHoLZ//kqdr/k1nfDLvSbHcRhUZXlLhv9gUbaC3FN0ZysM62rCOpudH5ql+u9Qtf6/L0177EBgJXPD8dg7NL2YGwIDAQAB"
#define DKIMPY_ED25519 "X4KtUJb5IaYTXlVdDSE4bpwM1HnBoES0rx8F9WixIJg="
static const char dkimpy_header[] =
	"Received: from a.test\r\n"
	"\tby b.test;  Mon,\r\n"
	" 1 Jan 2024 00:00:00 +0000\r\n"
	"From:   Alice   <alice@sender.test> \r\n"
	"To: bob@here.test\r\n"
	"SUBJECT: folded\r\n"
	"  and  odd\t \r\n"
	"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
	"Message-ID:<1@sender.test>\r\n";
static const char *const dkimpy_bodies[] = {
	"Hello  there \r\n"
	"\tindented\t\r\n"
	"\r\n"
	"end \r\n"
	"\r\n"
	"\r\n",
	"",
	"\r\n"
	"\r\n"};
static const struct {
	unsigned body;
	const char *field;
} dkimpy_signatures[] = {
	{0,
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=/jn2EP8xGRPRSryd4rdgmFHGIyAb1g0PsduYTFTCsqs=;\r\n"
	" b=ZFejTmt4sDMg2Cya6oWJvMEyznh6et9sa3/WYKUBPBuzbKRh/0VE0+5Weguk2ZylYsO66\r\n"
	" v+Jv4fUn3vW0DWkrHOcZWRAT7Skwo1nGU9Uz5m2OLvhNtnyHJf4925d3/Q8ZBn/65FcnhJT\r\n"
	" 2iTMTCBNSaIzZmmSMqOQDEWQyqEFsQNuBkAoiZYfwiGjXfE+hJ3vpDcVY9R+XhaoUven+dw\r\n"
	" Gz9gQlc8o0So8ftwllIg4K+Pl97rfB5/HLLh6qokraopSGIg4VoIjPVNackpvX3wTK7TZty\r\n"
	" o0cXi+qDxjfl/3sWAhYUsZvFIoMb8wPDx33tAsZwC3K3LD4WcQg5OHOMqXpg==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=HDmt9MVmWeS2rdg2GS3PfJXwtu9n54O/Qkrver56V25D7kprMxQvbq4t+OT9bEoDIo7uA\r\n"
	" uASrpxQwtz1X47GVnjSqzfVQKd7eo+2s69x3y0BfwOG42gRCYiy8BN/qalAIffygPEsK+fx\r\n"
	" NnmG1g1D5KffjFZO2pILphZTxLDKlNSan2oFzkFIc7jt39HZ/TOdF3XfJhw9RnmGbxNnOm0\r\n"
	" X8tjxNxVmvMwSONdIkqGyLrXPLAaIR8YoDy/JDScx2qP+/qMPNZ9T8TXuwred3e3PZM/MQ7\r\n"
	" 5cCTRv+azNsFGE6zjTpmtoapbMDPjRGnmZWLMS9orfBeoIOjFUMJkOkO4sPg==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=HDmt9MVmWeS2rdg2GS3PfJXwtu9n54O/Qkrver56V25D7kprMxQvbq4t+OT9bEoDIo7uA\r\n"
	" uASrpxQwtz1X47GVnjSqzfVQKd7eo+2s69x3y0BfwOG42gRCYiy8BN/qalAIffygPEsK+fx\r\n"
	" NnmG1g1D5KffjFZO2pILphZTxLDKlNSan2oFzkFIc7jt39HZ/TOdF3XfJhw9RnmGbxNnOm0\r\n"
	" X8tjxNxVmvMwSONdIkqGyLrXPLAaIR8YoDy/JDScx2qP+/qMPNZ9T8TXuwred3e3PZM/MQ7\r\n"
	" 5cCTRv+azNsFGE6zjTpmtoapbMDPjRGnmZWLMS9orfBeoIOjFUMJkOkO4sPg==\r\n"},
	{0,
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=rP3hMIpVF1q31wl3uMjXwEpdb8w6ZzJeYghtJa26HLo=;\r\n"
	" b=HJCxGrg7fUpl0XH6Mif+wdq4fKNbMn/d6AxoPBx6ZVqc0U3iV+jLIuQh7i7n2QhiIosTF\r\n"
	" OsKR//kteIelbkzOmTLJYy6Dvz3LI65bSuJCeomnzeG/yCO3Ld/lGOXOs7rWKOF17pCjZj8\r\n"
	" CcDCQOpvXjM7OyCsMVGNNOlnggpmc4gjh6jfL80ElHXmsyqPRytEOwEIxNVRzzskk/mpt+P\r\n"
	" 7vgzjyE6AZ3tZOMLCEBXkaXdCaNAVtfps1rOUag+wFMMcPi4oV3M8H0l8D+LNnzeNYltWVx\r\n"
	" z0vkWkzfuBeCYsmHYwmC45sxujtX0pRaflysoDgLfzQG0euWV3nQgjpEiddg==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=g5TAmpW4OcVE/5DNy0hD8VemCxO5WNocWIiaFNs/DDr5qA0H5rr0I21SuTopoFTKay2Op\r\n"
	" BGS8b9xNUgH7He7Sit7odbFbOVQplDuJ0LwAcE26a7Mp9RvB3NvOYqbD1uryNCcKOv8or/z\r\n"
	" AxIURoiTK4gQSJkvmC88ghei9HvfIhuHvjJhNEGTpat3W4eVtOey7frfE2JdVkt5xhfHQx4\r\n"
	" 7x79d3keB04n6lBccG68LOBx2szSblzLKRRR2i/s8DWubnp5ywdbh8TqIG89uXOmUSCQF6O\r\n"
	" ZxF2LTtO88Q8Rfdep40j6slg/pwpUFV9/B/1caqWqyroxrtR2LSpQj3id/kg==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=g5TAmpW4OcVE/5DNy0hD8VemCxO5WNocWIiaFNs/DDr5qA0H5rr0I21SuTopoFTKay2Op\r\n"
	" BGS8b9xNUgH7He7Sit7odbFbOVQplDuJ0LwAcE26a7Mp9RvB3NvOYqbD1uryNCcKOv8or/z\r\n"
	" AxIURoiTK4gQSJkvmC88ghei9HvfIhuHvjJhNEGTpat3W4eVtOey7frfE2JdVkt5xhfHQx4\r\n"
	" 7x79d3keB04n6lBccG68LOBx2szSblzLKRRR2i/s8DWubnp5ywdbh8TqIG89uXOmUSCQF6O\r\n"
	" ZxF2LTtO88Q8Rfdep40j6slg/pwpUFV9/B/1caqWqyroxrtR2LSpQj3id/kg==\r\n"},
	{0,
	"DKIM-Signature: v=1; a=rsa-sha256; c=simple/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=/jn2EP8xGRPRSryd4rdgmFHGIyAb1g0PsduYTFTCsqs=;\r\n"
	" b=JpEx5oB6Tsbm9mmQ1cohV48qEKv+p0wxfohjoZBF9SlS5Nuz8vKI7EEknTZK/X+Fk8/5w\r\n"
	" cUR61we6rZJXI57KwHJYTfPwGEFxMR/g9LYW+DDTwg2JVVFWfrIJyBs+xciD+oiU44efIR2\r\n"
	" rlUERk627eciI4D0BZ4olU1f8UeVklCN6BQRKv9hWz516Q1fcvFiOSXHS8IJ0w0BqUXbs5p\r\n"
	" 2JIu4L9kNcY+dusaCMW23GOIzsWamdhGfgjtpbMhI2MYw10F69hIkmZRMa5Qv293GOHo94+\r\n"
	" yHrfahyolLyC7KYch7K/BsI6k8GudxPLFdtlYkOnVHwVh6EsUjOJjUP+2nhA==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=rsa-sha256; c=simple/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=RC/oxu2i5QZWxK6EHpi2DzaY5vZyUrF/fgaLtJbw7vk7FFjpfdBF77r+6/hpnFhhy3kwD\r\n"
	" LHJrDfZMOgy75ua2Co0mHnT76uoPmm/yHWuCwa6vfQZkM6UTMtt/NArwSpc7y6RuzrDyozs\r\n"
	" T0+ouxxy2NK2qOgHZSRIEdNwCj9+GITFV0uBIMgcwkcpnWcIQG1Y6Xk1Qp4hZfKGoLWo+a+\r\n"
	" z86xkPWmWFFyRnb5mAq8B2tGOuSpolFJ5PlT6nc3WBeqcriaNL/DhKhU2sCPr7hDm2vfd46\r\n"
	" Y7Ke3YX8T4Tu2ObZItIeAUTIbgnZ5HFBL69PTXN6Dmzq/w+1fiC0yEz0pY/A==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=rsa-sha256; c=simple/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=RC/oxu2i5QZWxK6EHpi2DzaY5vZyUrF/fgaLtJbw7vk7FFjpfdBF77r+6/hpnFhhy3kwD\r\n"
	" LHJrDfZMOgy75ua2Co0mHnT76uoPmm/yHWuCwa6vfQZkM6UTMtt/NArwSpc7y6RuzrDyozs\r\n"
	" T0+ouxxy2NK2qOgHZSRIEdNwCj9+GITFV0uBIMgcwkcpnWcIQG1Y6Xk1Qp4hZfKGoLWo+a+\r\n"
	" z86xkPWmWFFyRnb5mAq8B2tGOuSpolFJ5PlT6nc3WBeqcriaNL/DhKhU2sCPr7hDm2vfd46\r\n"
	" Y7Ke3YX8T4Tu2ObZItIeAUTIbgnZ5HFBL69PTXN6Dmzq/w+1fiC0yEz0pY/A==\r\n"},
	{0,
	"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=rP3hMIpVF1q31wl3uMjXwEpdb8w6ZzJeYghtJa26HLo=;\r\n"
	" b=GRpbaf8pfmj/WUAct5pqUs+lbgj/rUjzyDSGoHnrVOMyfz0fegnCXL0SXM+SOXsv1+iqM\r\n"
	" LdHtwe/WSHnsNBH1qCTBUEyxp46HRE7QSYyTF6mO7NLMyxFim8TGXvjc062gdwzMVoREawU\r\n"
	" GSl1s4vdMUcbdj+wixF2w3hTOz6yChvJqZjd/PXiowfLEOShLepJ6NDB88uEC2HE9Pner5e\r\n"
	" jlcq7DmZCo3vWI1yraKmsnG5qQuywOy0t3lcNSM27Y+AOkUc9KSHEx52WeV21RfaUL5slZW\r\n"
	" J3vwwIvxgKrgE/i/voiSD203jB3pPRvrwa58ZCFkQgTemtqon/E4rw5tVafA==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=Xz7ARtM5opRUZd8YEykTiQl2fB+wWPBjyh4T5OMrzWZLqKqAqh7O1+45wuy0ZJ1yC0VoT\r\n"
	" zAcas/NsDesQp/FEKF5uWiDkG3LZ7HjDS8Rj4KZ38Jq0MhM+zU+wrnIu3bKjtmDMyzLHpkG\r\n"
	" /xCoM2jhumtl+GWJKQYGz78tFn5Ninh2M97jFAp7gVVZ6wTnAm0n3PAjpye1Pg+sNuROKQw\r\n"
	" NxWiyKFv4F+X3ezAV7hQMSOcm+g0u9ndHqLB4BzhJIQS8xxtzCx6XmwmH3VC1HIHRZwACy6\r\n"
	" DdQzwFvvrYoansdLGPhbaYhdPZBvVX5MKP6pqkd79pw6dDBvUe28E1FOzXqQ==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=rsa-sha256; c=simple/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=rsa; t=1796072092; h=from : to : subject\r\n"
	" : date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=Xz7ARtM5opRUZd8YEykTiQl2fB+wWPBjyh4T5OMrzWZLqKqAqh7O1+45wuy0ZJ1yC0VoT\r\n"
	" zAcas/NsDesQp/FEKF5uWiDkG3LZ7HjDS8Rj4KZ38Jq0MhM+zU+wrnIu3bKjtmDMyzLHpkG\r\n"
	" /xCoM2jhumtl+GWJKQYGz78tFn5Ninh2M97jFAp7gVVZ6wTnAm0n3PAjpye1Pg+sNuROKQw\r\n"
	" NxWiyKFv4F+X3ezAV7hQMSOcm+g0u9ndHqLB4BzhJIQS8xxtzCx6XmwmH3VC1HIHRZwACy6\r\n"
	" DdQzwFvvrYoansdLGPhbaYhdPZBvVX5MKP6pqkd79pw6dDBvUe28E1FOzXqQ==\r\n"},
	{0,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=/jn2EP8xGRPRSryd4rdgmFHGIyAb1g0PsduYTFTCsqs=;\r\n"
	" b=hypo3YsYOP2K8XNH0RgLJqOS9fmqQlWBZ4d0wP8AALRu0NYZMbeWxfgZqUi7QmrLpCMAS\r\n"
	" 5jhzd8BT+Yg/AsUBQ==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=RX5q8Dx6RBTg620rGIzIWyNUQMPXZ7jiE9s2iYaEJVTxF4wq70mnxPMHZTMuNUZMNNTbF\r\n"
	" 7+XvCZmm2btf6iNCQ==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=RX5q8Dx6RBTg620rGIzIWyNUQMPXZ7jiE9s2iYaEJVTxF4wq70mnxPMHZTMuNUZMNNTbF\r\n"
	" 7+XvCZmm2btf6iNCQ==\r\n"},
	{0,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=rP3hMIpVF1q31wl3uMjXwEpdb8w6ZzJeYghtJa26HLo=;\r\n"
	" b=jx+/Lq+qEKdwDwP1ptH3MCo3Bs4JZ7Cb7lJrmSPaVKe0gBOyQh1XtLZEYOb2vaJQkLKEH\r\n"
	" mfFhMOmbSXSebFWAg==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=56J84lIENbb7//6MJbWMStPVSvKaINGpiCENq1meeyiF4B6sBRLv8JN7zbQgN2k3t4gfr\r\n"
	" n6JIjssehDYJFllCA==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=56J84lIENbb7//6MJbWMStPVSvKaINGpiCENq1meeyiF4B6sBRLv8JN7zbQgN2k3t4gfr\r\n"
	" n6JIjssehDYJFllCA==\r\n"},
	{0,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=/jn2EP8xGRPRSryd4rdgmFHGIyAb1g0PsduYTFTCsqs=;\r\n"
	" b=AnEOYWlnldT90PIRfRHzwZIJhpVox/zkX0wnqjvSyyk6ZHye9rZ2JgqLHUKdsjaao7a5z\r\n"
	" b05ts0HrNkhl/LzBQ==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=VES8rmhskIAK9esvXWHkSz4QVLaQzf3W8LlyVdSaW63bbFcaeh9OzQfOEqaTyHXB91YkA\r\n"
	" uuHnE9T5G35PQQEAw==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/relaxed; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=;\r\n"
	" b=VES8rmhskIAK9esvXWHkSz4QVLaQzf3W8LlyVdSaW63bbFcaeh9OzQfOEqaTyHXB91YkA\r\n"
	" uuHnE9T5G35PQQEAw==\r\n"},
	{0,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=rP3hMIpVF1q31wl3uMjXwEpdb8w6ZzJeYghtJa26HLo=;\r\n"
	" b=N89/YWc/6BDohI6yIPPr5g/uYurHpmIHOTi1KeEK60lWM6fCyQjjd0CWQeQvwUn4XBFo8\r\n"
	" aptTBi1dYBrzu34DA==\r\n"},
	{1,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=auV8l5dp1sqd4amACXcsZisRUzeS24JKUKa/aEXe9Yfx8UPfxxHz4UqxNl4zHkXuwvmiM\r\n"
	" I3XdA3nHQMwUIdbBQ==\r\n"},
	{2,
	"DKIM-Signature: v=1; a=ed25519-sha256; c=simple/simple; d=sender.test;\r\n"
	" i=@sender.test; q=dns/txt; s=ed; t=1796072092; h=from : to : subject :\r\n"
	" date : message-id : from;\r\n"
	" bh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\r\n"
	" b=auV8l5dp1sqd4amACXcsZisRUzeS24JKUKa/aEXe9Yfx8UPfxxHz4UqxNl4zHkXuwvmiM\r\n"
	" I3XdA3nHQMwUIdbBQ==\r\n"},
};
static const char dkimpy_with_length[] =
	"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/simple; d=sender.test;\r\n"
	" i=@sender.test; l=35; q=dns/txt; s=rsa; t=1796072092; h=from : to :\r\n"
	" subject : date : message-id : from;\r\n"
	" bh=rP3hMIpVF1q31wl3uMjXwEpdb8w6ZzJeYghtJa26HLo=;\r\n"
	" b=REZW8f0QFk56RSxHoxZvPwJbJXUiHXtq8/Lznaofbp3nPODw5TSqYy+zYotfCgIglKoT2\r\n"
	" eoE4QtlGYhbqDaoucAZqnWOhL3lYELX1OyK0NzLdSnxwf5jxKgAQVTuOJ/mt4rjgLOtOAbZ\r\n"
	" YrMGyu3i1l/Kus68ykS0lwW2ysmzlPbiVOJyc3/GaPoCb52lUxuvkbWX0u5wdM94QxdRS5X\r\n"
	" y0Bwv9vtKsQHRXuXDT38Fht+JuNBrFnPBllOwl78p08YGjkg80i8HCri/P4g5W5y1arsc1G\r\n"
	" JY8UZVtj4OT/71LE+cB++wRpkySmgoSwfL8NXLNbHZ/98wvhvBY+drODIkdg==\r\n";
